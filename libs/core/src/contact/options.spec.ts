import {
  CUSTOMER_STATUS_SYNONYMS,
  LEAD_STATUS_SYNONYMS,
  matchCustomerStatus,
  matchLeadStatus,
  matchOption,
} from './options';
import { foldWords } from './text';

describe('options', () => {
  it.each([
    ['New', 'new'],
    ['open', 'new'],
    ['Working', 'contacted'],
    ['In-Progress', 'contacted'],
    ['QUALIFIED', 'qualified'],
    ['Closed Won', 'converted'],
    ['closed-won', 'converted'],
    ['won', 'converted'],
    ['Closed Lost', 'lost'],
    ['Disqualified', 'lost'],
  ])('reads the lead status %s', (raw, value) => {
    expect(matchLeadStatus(raw)).toEqual({ value });
  });

  it.each([
    ['Active', 'active'],
    ['Suspended', 'blocked'],
    ['churned', 'inactive'],
    ['on hold', 'pending'],
  ])('reads the customer status %s', (raw, value) => {
    expect(matchCustomerStatus(raw)).toEqual({ value });
  });

  it('refuses other words and says which are allowed', () => {
    expect(matchLeadStatus('purple')).toEqual({
      code: 'option-unknown',
      message: '"purple" is none of: new, contacted, qualified, converted, lost',
    });
    expect(matchLeadStatus('')).toMatchObject({ code: 'option-unknown' });
  });

  it('matches options of its own, and an option before a synonym', () => {
    expect(matchOption('größe l', ['Größe L', 'Größe M'])).toEqual({ value: 'Größe L' });
    expect(matchOption('Lost', ['won', 'lost'], { won: ['lost'] })).toEqual({ value: 'lost' });
  });

  it.each([LEAD_STATUS_SYNONYMS, CUSTOMER_STATUS_SYNONYMS])('no synonym means two options', (synonyms) => {
    const words = Object.entries(synonyms).flatMap(([option, list]) => [option, ...list]);
    expect(words.map(foldWords)).toEqual(words);
    expect(new Set(words).size).toBe(words.length);
  });
});
