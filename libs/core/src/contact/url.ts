import { quote, refuse, type Checked } from './result';
import { trimText } from './text';

/** The longest address of a page or an image, in characters of its normal form. */
export const MAX_URL_LENGTH = 2048;

/** The normal form of an absolute http or https address without a user name or a password. */
export function normalizeUrl(raw: string): Checked<string> {
  const text = trimText(raw);
  if (text.length > MAX_URL_LENGTH) return refuse('too-long', `is longer than ${MAX_URL_LENGTH} characters`);
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url && (url.protocol === 'https:' || url.protocol === 'http:') && url.username === '' && url.password === '') {
    if (url.href.length > MAX_URL_LENGTH) return refuse('too-long', `is longer than ${MAX_URL_LENGTH} characters`);
    return { value: url.href };
  }
  return refuse('url-invalid', `${quote(text)} is not a web address`);
}
