import { quote, refuse, type Checked } from './result';
import { foldWords } from './text';

const WORDS = new Map<string, boolean>();
for (const word of 'true t yes y 1 on x ok checked ja j wahr oui o vrai si s verdadero sim sí'.split(' ')) {
  WORDS.set(foldWords(word), true);
}
for (const word of 'false f no n 0 off unchecked nein falsch non faux falso nao não'.split(' ')) {
  WORDS.set(foldWords(word), false);
}
WORDS.set('✓', true).set('✔', true).set('☑', true).set('☐', false).set('✗', false).set('✘', false).set('-', false);

/** Reads a yes or a no as people write them in English, German, French, Spanish, Italian and Portuguese; case-blind. */
export function parseBoolean(raw: string): Checked<boolean> {
  const text = raw.trim();
  if (text.length <= 16) {
    const value = WORDS.get(text) ?? WORDS.get(foldWords(text));
    if (value !== undefined) return { value };
  }
  return refuse('boolean-invalid', `${quote(text)} is neither yes nor no`);
}
