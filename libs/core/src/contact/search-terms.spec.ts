import { mayMatch, matchesWords, partsOfWord, Searchable, searchTerms, searchWords } from './search-terms';

const record = (values: Partial<Searchable>): Searchable => ({ texts: [], email: null, phone: null, ...values });
const finds = (text: string, values: Partial<Searchable>): boolean => {
  const words = searchWords(text);
  return words.length > 0 && matchesWords(searchTerms(record(values)), words);
};

describe('the terms of a record', () => {
  it('are its words, the pieces of its e-mail and its number, none of which begins another', () => {
    const terms = searchTerms(
      record({
        texts: ['Ada Abbott', null, 'Öl & Söhne'],
        email: 'ada.abbott7@mail.example.com',
        phone: '+12015550123',
      }),
    );
    // `ada` begins `ada.abbott7@`.
    expect(terms).toEqual([
      ...['12015550123', '2015550123', '7@', 'abbott7@', 'ada.abbott7@', 'example.com', 'mail.example.com'],
      ...['ol', 'sohne', '~32105551021'],
    ]);
  });

  it('are cut at 40 characters, never within one', () => {
    const [term] = searchTerms(record({ texts: ['𝕏'.repeat(60), null] }));
    expect(term).toBe('x'.repeat(40));
    const [other] = searchTerms(record({ texts: ['𐐀'.repeat(60)] }));
    expect(Array.from(other)).toHaveLength(40);
  });

  it('of a local part without end are few', () => {
    expect(searchTerms(record({ email: 'a1b2c3d4e5f6g7h8i9j0k1l2@example.com' })).length).toBeLessThan(12);
  });
});

describe('a search', () => {
  it.each([
    ['muller', 'Jörg Müller'],
    ['MÜLLER j', 'Jorg Muller'],
    ['strasse', 'Große Straße'],
    ['straße', 'Grosse Strasse'],
    ['soren', 'Søren Kierkegaard'],
    ['lodz', 'Łódź'],
    ['istanbul', 'İSTANBUL Ticaret'],
    ['οδος', 'ΟΔΟΣ'],
    ["o'brien", 'Sinéad O’Brien'],
    ['obrien', "O'Brien"],
    ['brien', "O'Brien"],
    ['anne marie', 'Anne-Marie Roux'],
    ['anne-marie', 'Anne Marie Roux'],
    ['gallen', 'St.Gallen'],
    ['booking.com', 'Booking.com'],
    ['at&t', 'AT&T'],
    ['3m', '3M Deutschland'],
    ['57', 'Harbour 57'],
    ['Иван', 'иван Петров'],
    ['田中', '田中 太郎'],
  ])('for %p finds the name %p', (text, name) => {
    expect(finds(text, { texts: [name] })).toBe(true);
  });

  it.each([
    ['ada.abbott'],
    ['ada abbott'],
    ['abbott'],
    ['ada.abbott_7@mail.example.com'],
    ['ADA.abbott_7@mail'],
    ['<ada.abbott_7@mail.example.com>,'],
    ['abbott_7@mail'],
    ['@mail.example.com'],
    ['@example.com'],
    ['example.com'],
    ['exam'],
    ['7'],
    ['ada@'],
    ['firm.test'],
  ])('for %p finds an e-mail address', (text) => {
    const email =
      text === 'ada@' ? 'ada@example.com' : text === 'firm.test' ? 'x@my-firm.test' : 'ada.abbott_7@mail.example.com';
    expect(finds(text, { email })).toBe(true);
  });

  it.each([
    ['+1 (201) 555-0123', '+12015550123'],
    ['201.555.0123', '+12015550123'],
    ['555 - 0123', '+12015550123'],
    ['0123', '+12015550123'],
    ['001 201 555', '+12015550123'],
    ['0171 2345678', '+491712345678'],
    ['+49 (0)171 2345678', '+491712345678'],
    ['02 1234', '+39021234567'],
    ['345678', '+491712345678'],
    ['678', '+491712345678'],
  ])('for %p finds the number %p', (text, phone) => {
    expect(finds(text, { phone })).toBe(true);
  });

  it.each([
    ['ada lovelace', { texts: ['Ada Abbott'] }],
    ['da', { texts: ['Ada Abbott'] }],
    ['78', { phone: '+491712345678' }],
    ['1234', { phone: '+491712345678' }],
    ['abbott@', { email: 'abbott.ada@example.com' }],
    ['%', { texts: ['100%'] }],
    ['~8765', { phone: '+491712345678' }],
    ["' OR 1=1 --", { texts: ['Or'] }],
  ])('for %p does not find %p', (text, values) => {
    expect(finds(text, values)).toBe(false);
  });

  it('has no words without letters and digits, and eight at most', () => {
    expect(searchWords(' -- ()+ @ . ~ \u{1F642} ')).toEqual([]);
    expect(searchWords('b c d e f g h i j k l')).toHaveLength(8);
    expect(searchWords('an anna ANNA anna')).toEqual([['anna']]);
  });

  it.each([
    {
      texts: ['Łukasz O’Neill-Straße', 'ΣΊΣΥΦΟΣ St.Gallen', '𝔄da ﬁx İlk'],
      email: "o'x.y+z7@mail.exämple.com",
      phone: '+39021234567',
    },
    { texts: [null, 'Ünï'], email: 'grüße.ada@x-y.example.com', phone: '+12015550123' },
    { texts: ['Ada'], email: null, phone: null },
  ])('knows without the terms of %p that nothing is missing, for all that begins one', (values) => {
    for (const term of searchTerms(values)) {
      for (let length = 1; length <= term.length; length++) {
        const word = [term.slice(0, length)];
        if (word[0] !== '~') expect({ word, may: mayMatch(values, [partsOfWord(word)]) }).toEqual({ word, may: true });
      }
    }
    expect(mayMatch(values, [['ada', 'o'], ['quibble']])).toBe(false);
  });

  it('knows what a record in plain ASCII has in it, when it has the word', () => {
    const values = { texts: ["Ada O'Neill-Smith 57"], email: 'a.b-c+d7@x-y.example.com', phone: '+12015550123' };
    const whole = [...values.texts, values.email, values.phone].join('|').toLowerCase().replaceAll("'", '');
    for (const text of ['oneill', 'smith 57', 'b-c+d7@x', '(201) 555 0123', '0123', '@example.com']) {
      expect({ text, found: finds(text, values) }).toEqual({ text, found: true });
      for (const word of searchWords(text)) expect(partsOfWord(word).some((part) => whole.includes(part))).toBe(true);
    }
  });
});
