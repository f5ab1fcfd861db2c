import { quote, refuse, type Checked } from './result';
import { foldWords } from './text';

export const LEAD_STATUSES = ['new', 'contacted', 'qualified', 'converted', 'lost'] as const;
export type LeadStatus = (typeof LEAD_STATUSES)[number];

export const CUSTOMER_STATUSES = ['active', 'inactive', 'pending', 'blocked'] as const;
export type CustomerStatus = (typeof CUSTOMER_STATUSES)[number];

/** Other words for each option. */
export type Synonyms<T extends string> = Readonly<Record<T, readonly string[]>>;

export const LEAD_STATUS_SYNONYMS: Synonyms<LeadStatus> = {
  new: ['open', 'new lead', 'fresh', 'uncontacted', 'not contacted', 'untouched', 'neu', 'offen', 'nuevo', 'nouveau'],
  contacted: [
    ...[
      'working',
      'in progress',
      'attempted',
      'attempted to contact',
      'contact made',
      'connected',
      'called',
      'reached',
    ],
    ...['follow up', 'in contact', 'engaged', 'nurturing', 'kontaktiert', 'in bearbeitung', 'contactado', 'contacte'],
  ],
  qualified: [
    ...[
      'sql',
      'mql',
      'qualified lead',
      'sales qualified',
      'marketing qualified',
      'opportunity',
      'open deal',
      'hot',
      'warm',
    ],
    ...['interested', 'proposal', 'proposal sent', 'negotiation', 'demo', 'qualifiziert', 'calificado', 'qualifie'],
  ],
  converted: [
    ...['won', 'closed won', 'customer', 'client', 'sold', 'deal won', 'success', 'signed'],
    ...['gewonnen', 'kunde', 'konvertiert', 'ganado', 'gagne', 'converti'],
  ],
  lost: [
    ...[
      'closed lost',
      'closed',
      'deal lost',
      'dead',
      'unqualified',
      'disqualified',
      'not interested',
      'rejected',
      'junk',
    ],
    ...['bad timing', 'bad lead', 'abandoned', 'verloren', 'perdido', 'perdu'],
  ],
};

export const CUSTOMER_STATUS_SYNONYMS: Synonyms<CustomerStatus> = {
  active: ['enabled', 'live', 'current', 'ok', 'open', 'customer', 'aktiv', 'activo', 'actif'],
  inactive: [
    ...['disabled', 'former', 'churned', 'lapsed', 'dormant', 'closed', 'cancelled', 'canceled', 'archived', 'ended'],
    ...['not active', 'deactivated', 'inaktiv', 'inactivo', 'inactif'],
  ],
  pending: [
    ...['new', 'trial', 'prospect', 'onboarding', 'waiting', 'on hold', 'unconfirmed', 'awaiting approval', 'invited'],
    ...['ausstehend', 'wartend', 'pendiente', 'en attente'],
  ],
  blocked: ['banned', 'suspended', 'blacklisted', 'locked', 'frozen', 'gesperrt', 'blockiert', 'bloqueado', 'bloque'],
};

/**
 * Makes the reader of one set of options: a word that equals an option or one of its synonyms, whatever its case, accents and
 * punctuation, gives the option; every other one is `option-unknown`. An option wins over a synonym of the same spelling.
 */
export function optionMatcher<T extends string>(
  options: readonly T[],
  synonyms?: Partial<Synonyms<T>>,
): (raw: string) => Checked<T> {
  const words = new Map<string, T>();
  for (const option of options) {
    for (const synonym of synonyms?.[option] ?? []) words.set(foldWords(synonym), option);
  }
  for (const option of options) words.set(foldWords(option), option);
  const exact = new Map<string, T>(options.map((option) => [option, option]));
  const allowed = options.join(', ');
  return (raw) => {
    const value = exact.get(raw) ?? (raw.length <= 200 ? words.get(foldWords(raw)) : undefined);
    if (value !== undefined) return { value };
    return refuse(
      'option-unknown',
      `${quote(raw.trim())} is none of: ${allowed.length > 200 ? `${options.length} options` : allowed}`,
    );
  };
}

/** Finds the option that a word means; for many words of one set make an `optionMatcher` once. */
export function matchOption<T extends string>(
  raw: string,
  options: readonly T[],
  synonyms?: Partial<Synonyms<T>>,
): Checked<T> {
  return optionMatcher(options, synonyms)(raw);
}

export const matchLeadStatus = optionMatcher(LEAD_STATUSES, LEAD_STATUS_SYNONYMS);
export const matchCustomerStatus = optionMatcher(CUSTOMER_STATUSES, CUSTOMER_STATUS_SYNONYMS);
