/**
 * The states and territories whose ZIP codes begin with 0 (USPS Publication 28, three-digit prefixes 005–099), with how many
 * zeros they begin with at least.
 */
const ZEROS: Readonly<Record<string, number>> = {
  CT: 1,
  MA: 1,
  ME: 1,
  NH: 1,
  NJ: 1,
  RI: 1,
  VT: 1,
  AE: 1,
  PR: 2,
  VI: 2,
  CONNECTICUT: 1,
  MASSACHUSETTS: 1,
  MAINE: 1,
  'NEW HAMPSHIRE': 1,
  'NEW JERSEY': 1,
  'RHODE ISLAND': 1,
  VERMONT: 1,
  'PUERTO RICO': 2,
};

const SHORT_ZIP = /^(\d{3,4})(-\d{4})?$/;

/**
 * Gives a United States ZIP code the zeros back that a spreadsheet took from it: `8014` of New Jersey is `08014`. Only where
 * the state leaves no doubt: its codes begin with 0, and just the zeros are missing. Everything else stays as it is.
 * @param country the record's country; a blank one counts as the United States where `region` is US
 */
export function restoreZip(zip: string, state: string | null, country: string | null, region: string): string {
  const parts = zip.length < 5 || zip.includes('-') ? SHORT_ZIP.exec(zip) : null;
  if (!parts || state === null || !isUnitedStates(country, region)) return zip;
  const missing = 5 - parts[1].length;
  const zeros = ZEROS[state.toUpperCase()] ?? 0;
  return missing <= zeros ? '0'.repeat(missing) + zip : zip;
}

function isUnitedStates(country: string | null, region: string): boolean {
  if (country === null) return region === 'US';
  return /^(us|usa|u\.s\.a?\.|united states( of america)?)$/i.test(country);
}
