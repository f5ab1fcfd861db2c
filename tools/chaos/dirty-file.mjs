import { createWriteStream } from 'node:fs';
import { once } from 'node:events';

const FIRST = 'Ada,Ben,Clara,David,Elena,Femi,Grace,Hugo,Ines,Jonas'.split(',');
const LAST = 'Abbott,Brandt,Castillo,Dubois,Eriksen,Fischer,Garcia,Hansen'.split(',');
const BAD_EMAILS = ['nobody', 'two@@example.com', '@example.com', 'someone@', 'a b@example.com'];
const BAD_PHONES = ['12', 'none', '+1 55', '0'];
const COMPANIES = ['Plain Works', '"Comma, Inc."', '"Two\nLines"', '"The ""Quoted"" Ones"', '"Carriage\r\nReturn"', ''];

/** How often each kind of row comes. */
const KINDS = {
  good: 800,
  badEmail: 30,
  badPhone: 30,
  noName: 20,
  noContact: 15,
  tooLong: 15,
  tooShort: 20,
  sameEmail: 20,
  samePhone: 20,
  sameBoth: 5,
  likeRejected: 10,
  ofEarlierFile: 15,
};
/** How many rows back a near repetition looks. */
const NEAR = 40;
const ROWS_AT_ONCE = 2_000;

const capitals = (random, text) =>
  text.replace(/[a-z]/g, (letter) => (random.next() < 0.3 ? letter.toUpperCase() : letter));

function spellPhone(random, digits) {
  const [area, exchange, line] = [digits.slice(0, 3), digits.slice(3, 6), digits.slice(6)];
  return random.pick([
    `+1${digits}`,
    `(${area}) ${exchange}-${line}`,
    `${area}.${exchange}.${line}`,
    `1-${area}-${exchange}-${line}`,
    `+1 ${area} ${exchange} ${line}`,
    digits,
  ]);
}

/** A person whom no other number of any file makes. `number` counts over all files of one run. */
function person(number) {
  const scattered = (number * 1_234_567_891) % 6_400_000_000;
  const first = FIRST[number % FIRST.length];
  const last = LAST[(number >> 3) % LAST.length];
  const area = 200 + Math.floor(scattered / 8e6);
  const exchange = 200 + (Math.floor(scattered / 1e4) % 800);
  return {
    name: `${first} ${last}`,
    email: `${first}.${last}.${number}@mail.example.com`.toLowerCase(),
    phone: `${area}${exchange}${String(scattered % 10_000).padStart(4, '0')}`,
  };
}

/** Writes one file row by row, and knows what must become of each. */
class DirtyFile {
  /**
   * @param {{random: import('./random.mjs').Random, firstNumber: number, earlier: object[]}} options `earlier`: people of
   * earlier files that were stored
   */
  constructor({ random, firstNumber, earlier }) {
    this.random = random;
    this.number = firstNumber;
    this.earlier = earlier;
    this.stored = [];
    this.refused = [];
    this.holders = new Map(
      earlier.flatMap(({ email, phone }) => [email, phone].map((key) => [key, 'duplicate-existing'])),
    );
    this.fates = [];
  }

  /** The next row's text. */
  row() {
    const kind = this.random.weighted(KINDS);
    const fresh = person(this.number++);
    const { cells, errors, contact } = this[kind](fresh);
    this.fates.push(errors ?? this.judge(contact));
    if (errors && contact) this.refused.push(contact);
    return cells.join(',');
  }

  /** Who comes first keeps e-mail and phone. */
  judge(contact) {
    const taken = ['email', 'phone'].flatMap((field) => {
      const code = contact[field] ? this.holders.get(contact[field]) : undefined;
      return code ? [`${field}:${code}`] : [];
    });
    if (taken.length > 0) return taken;
    for (const key of [contact.email, contact.phone]) if (key) this.holders.set(key, 'duplicate-in-file');
    if (contact.email && contact.phone) this.stored.push(contact);
    return [];
  }

  line({ name, email, phone }) {
    const { random } = this;
    return [
      name,
      email && random.next() < 0.1 ? ` ${capitals(random, email)} ` : capitals(random, email),
      phone && spellPhone(random, phone),
      random.pick(COMPANIES),
      random.pick(['website', 'fair', 'referral']),
    ];
  }

  someone(people) {
    if (people.length === 0) return null;
    const near = this.random.next() < 0.4 ? Math.max(0, people.length - NEAR) : 0;
    return people[near + this.random.below(people.length - near)];
  }

  good(fresh) {
    const partial = this.random.next();
    const contact = { ...fresh, ...(partial < 0.05 ? { email: '' } : partial < 0.1 ? { phone: '' } : {}) };
    return { cells: this.line(contact), contact };
  }

  badEmail(fresh) {
    const cells = this.line(fresh);
    cells[1] = this.random.pick(BAD_EMAILS);
    return { cells, errors: ['email:email-invalid'], contact: { ...fresh, email: '' } };
  }

  badPhone(fresh) {
    const cells = this.line(fresh);
    cells[2] = this.random.pick(BAD_PHONES);
    return { cells, errors: ['phone:phone-invalid'], contact: { ...fresh, phone: '' } };
  }

  noName(fresh) {
    return {
      cells: this.line({ ...fresh, name: this.random.pick(['', '  ']) }),
      errors: ['name:required'],
      contact: fresh,
    };
  }

  noContact(fresh) {
    return { cells: this.line({ ...fresh, email: '', phone: '' }), errors: ['email:required'] };
  }

  tooLong(fresh) {
    return { cells: [...this.line(fresh), 'one cell', 'too many'], errors: [':column-count'], contact: fresh };
  }

  tooShort(fresh) {
    const contact = { ...fresh, phone: '' };
    return { cells: this.line(contact).slice(0, 2), contact };
  }

  sameEmail(fresh) {
    const other = this.someone(this.stored);
    return other ? this.repeat({ ...fresh, email: other.email }) : this.good(fresh);
  }

  samePhone(fresh) {
    const other = this.someone(this.stored);
    return other ? this.repeat({ ...fresh, phone: other.phone }) : this.good(fresh);
  }

  sameBoth(fresh) {
    const [one, other] = [this.someone(this.stored), this.someone(this.stored)];
    return one ? this.repeat({ ...fresh, email: one.email, phone: other.phone }) : this.good(fresh);
  }

  /** A row that was refused holds nothing: whoever comes with its e-mail or phone later is stored. */
  likeRejected(fresh) {
    const other = this.someone(this.refused);
    if (!other) return this.good(fresh);
    return this.repeat({ ...fresh, ...(other.email ? { email: other.email } : { phone: other.phone }) });
  }

  ofEarlierFile(fresh) {
    const other = this.someone(this.earlier);
    if (!other) return this.good(fresh);
    return this.repeat({ ...fresh, ...(this.random.next() < 0.5 ? { email: other.email } : { phone: other.phone }) });
  }

  repeat(contact) {
    return { cells: this.line(contact), contact };
  }
}

/**
 * Writes a file of invented people in which about one row in five is wrong or repeats another. Each row is wrong in one way at
 * most, so that what must become of it is beyond doubt.
 * @param {string} path @param {number} rows
 * @returns {Promise<{fates: string[][], stored: object[]}>} for each row its errors as `field:code`, none if it must be stored;
 * and the people whom later files may repeat
 */
export async function writeDirtyFile(path, rows, options) {
  const file = new DirtyFile(options);
  const out = createWriteStream(path);
  out.write('Name,Email,Phone,Company,Source\n');
  for (let start = 0; start < rows; start += ROWS_AT_ONCE) {
    let text = '';
    for (let i = start; i < Math.min(start + ROWS_AT_ONCE, rows); i++) {
      text += `${file.row()}\n`;
      if (options.random.next() < 0.005) text += '\n';
    }
    if (!out.write(text)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
  return { fates: file.fates, stored: [...options.earlier, ...file.stored] };
}
