import { createWriteStream } from 'node:fs';
import { once } from 'node:events';

const FIRST =
  'Ada,Ben,Clara,David,Elena,Femi,Grace,Hugo,Ines,Jonas,Kira,Liam,Maria,Noah,Olga,Pablo,Quinn,Rosa,Samir,Tara'.split(
    ',',
  );
const LAST =
  'Abbott,Brandt,Castillo,Dubois,Eriksen,Fischer,Garcia,Hansen,Ivanov,Jansen,Keller,Lopez,Moreau,Novak,Okafor,Petrov'.split(
    ',',
  );
const COMPANY =
  'Harbour Freight Lines,Northwind Paper,Blue Lantern Hotels,Cedar & Sons Joinery,Atlas Bicycle Works,Polar Dairy'.split(
    ',',
  );
const SOURCE = 'website,referral,trade fair,newsletter,cold call'.split(',');
const STATUS = 'new,contacted,qualified,converted,lost'.split(',');
const TAGS = 'vip; spring,wholesale,retail; north; renewal,west'.split(',');
const ROWS_AT_ONCE = 5_000;

/** Spreads neighbouring numbers over 0..modulus-1 without repeating one: neighbours in a real file are not neighbours in an index. */
const scatter = (i, modulus, step) => (i * step) % modulus;

/** One row of a lead file. */
export function line(i) {
  const person = scatter(i, 10_000_019, 7_368_787);
  const first = FIRST[person % FIRST.length];
  const last = LAST[(person >> 4) % LAST.length];
  const phone = scatter(i, 6_400_000_000, 1_234_567_891);
  const area = 200 + Math.floor(phone / 8e6);
  const exchange = 200 + (Math.floor(phone / 1e4) % 800);
  const digits = `${area}-${exchange}-${String(phone % 10_000).padStart(4, '0')}`;
  return (
    `${first} ${last},${first.toLowerCase()}.${last.toLowerCase()}.${person}@mail${i % 977}.example.com,+1 ${digits},` +
    `${COMPANY[i % COMPANY.length]} ${1 + (person % 97)},${SOURCE[i % SOURCE.length]},${STATUS[person % STATUS.length]},` +
    `${TAGS[i % TAGS.length]},${i % 50 === 0 ? 'yes' : 'no'}\n`
  );
}

/**
 * Writes a file of invented leads, all good and all different, about 130 bytes a row.
 * @returns {Promise<number>} its size in bytes
 */
export async function writeLeadFile(path, rows) {
  const out = createWriteStream(path);
  out.write('Name,Email,Phone,Company,Source,Status,Tags,Do not contact\n');
  for (let start = 0; start < rows; start += ROWS_AT_ONCE) {
    let text = '';
    for (let i = start; i < Math.min(start + ROWS_AT_ONCE, rows); i++) text += line(i);
    if (!out.write(text)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
  return out.bytesWritten;
}
