import { quote, refuse, type Checked } from './result';
import { trimText } from './text';

/** Names that the zone database has since changed and Intl still gives in the old spelling. */
const RENAMED: Record<string, string> = {
  'Africa/Asmera': 'Africa/Asmara',
  'America/Buenos_Aires': 'America/Argentina/Buenos_Aires',
  'America/Catamarca': 'America/Argentina/Catamarca',
  'America/Coral_Harbour': 'America/Atikokan',
  'America/Cordoba': 'America/Argentina/Cordoba',
  'America/Godthab': 'America/Nuuk',
  'America/Indianapolis': 'America/Indiana/Indianapolis',
  'America/Jujuy': 'America/Argentina/Jujuy',
  'America/Louisville': 'America/Kentucky/Louisville',
  'America/Mendoza': 'America/Argentina/Mendoza',
  'Asia/Calcutta': 'Asia/Kolkata',
  'Asia/Katmandu': 'Asia/Kathmandu',
  'Asia/Rangoon': 'Asia/Yangon',
  'Asia/Saigon': 'Asia/Ho_Chi_Minh',
  'Atlantic/Faeroe': 'Atlantic/Faroe',
  'Europe/Kiev': 'Europe/Kyiv',
  'Pacific/Enderbury': 'Pacific/Kanton',
  'Pacific/Ponape': 'Pacific/Pohnpei',
  'Pacific/Truk': 'Pacific/Chuuk',
};

const SHAPE = /^[a-z][a-z0-9_+\-/]{1,63}$/;
/** The most answers that are remembered for names outside Intl's own list. */
const MAX_REMEMBERED = 2000;

let known: Map<string, string | null> | undefined;

function knownZones(): Map<string, string | null> {
  if (!known) {
    known = new Map([['utc', 'UTC']]);
    for (const zone of Intl.supportedValuesOf('timeZone')) known.set(zone.toLowerCase(), RENAMED[zone] ?? zone);
    for (const zone of Object.values(RENAMED)) known.set(zone.toLowerCase(), zone);
  }
  return known;
}

function ask(zone: string): string | null {
  try {
    const name = new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone;
    return RENAMED[name] ?? name;
  } catch {
    return null;
  }
}

/** The canonical name of an IANA time zone, found case-blind and through its aliases; offsets like `+01:00` are no zones. */
export function normalizeTimezone(raw: string): Checked<string> {
  const text = trimText(raw);
  if (text.length <= 64) {
    const key = text.toLowerCase().replace(/ /g, '_');
    const zones = knownZones();
    let zone = zones.get(key);
    if (zone === undefined && SHAPE.test(key)) {
      zone = ask(key);
      if (zones.size < MAX_REMEMBERED) zones.set(key, zone);
    }
    if (zone) return { value: zone };
  }
  return refuse('timezone-invalid', `${quote(text)} is not an IANA time zone`);
}
