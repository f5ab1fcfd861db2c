import { validationFailed } from '@muster/core/errors';
import { Principal } from '@muster/core/principal';
import { Database } from '@muster/platform/database/database';
import { SqlCondition } from '@muster/platform/database/record-table';
import { CustomFilters } from '@muster/platform/http/custom-filters';
import { API_PREFIX } from '@muster/platform/http/server';
import { FieldDistribution, LoadedFields } from '../../custom-fields/custom-fields.service';
import { ContactNoun } from '../memberships/contacts.memberships.service';
import { groupsSeen } from '../contacts.policy';
import { endsOf, layOut } from './contacts.statistics.days';
import { ContactStatistics, StatisticsDrill } from './contacts.statistics.dto';
import { ContactFigures } from './contacts.statistics.repository';
import { ContactTools } from '../contacts.tools.service';

export { ContactStatistics, SourceCount } from './contacts.statistics.dto';

/** What statistics may be asked for beside a list's own filters. */
export interface StatisticsQuery {
  status?: string;
  tag?: string;
  groupId?: number;
  createdFrom?: string;
  createdTo?: string;
  /** Keys of custom fields, parted by commas. */
  fields?: string;
}

/** What a request for statistics says: `from` and `to` are other names for the list's `createdFrom` and `createdTo`. */
export type StatisticsRequest = StatisticsQuery & { from?: string; to?: string };

/** @throws 422 `validation-failed` when an end is given under both names */
export function readStatisticsQuery<Q extends StatisticsRequest>({ from, to, ...query }: Q): Omit<Q, 'from' | 'to'> {
  const errors = [
    ...(from !== undefined && query.createdFrom !== undefined ? ['from'] : []),
    ...(to !== undefined && query.createdTo !== undefined ? ['to'] : []),
  ].map((field) => ({ field, code: 'given-twice', message: 'is another name for what is given already' }));
  if (errors.length > 0) throw validationFailed(errors);
  return { ...query, ...(from !== undefined && { createdFrom: from }), ...(to !== undefined && { createdTo: to }) };
}

/** Entries of one distribution, and values of one custom field. */
const MOST = 200;
const MOST_VALUES = 50;
const MAX_FIELDS = 10;
/** Longer addresses are not given: servers do not take them. */
const MAX_ADDRESS = 4_000;

/** The figures of one noun. */
export class ContactStatisticsMaker {
  private readonly noun: ContactNoun;
  private readonly figures: ContactFigures;

  constructor(
    private readonly kind: { noun: ContactNoun; statuses: readonly string[]; hasSource: boolean },
    database: Database,
    private readonly tools: ContactTools,
  ) {
    this.noun = kind.noun;
    this.figures = new ContactFigures(database, kind.noun);
  }

  /**
   * @param where the conditions of `query` and `filters`, in the caller's scope
   * @throws 422 `validation-failed` for too many fields, and as the filters of custom fields do
   */
  async make(
    principal: Principal,
    query: StatisticsQuery,
    filters: CustomFilters,
    where: SqlCondition,
  ): Promise<ContactStatistics> {
    const keys = keysOf(query);
    const fields: Record<string, FieldDistribution> = {};
    for (const key of keys) {
      fields[key] = await this.tools.customFields.distribution(this.noun, key, where, MOST_VALUES);
    }
    const [total, statuses, sources, groups, tags, days] = [
      await this.figures.total(where),
      await this.figures.frequent('status', where, MOST),
      this.kind.hasSource ? await this.figures.frequent('source', where, MOST) : null,
      await this.figures.groups(where, groupsSeen(principal), MOST),
      await this.figures.tags(where, MOST),
      await this.figures.days(where),
    ];
    const countOf = new Map(statuses.map(({ text, count }) => [text, count]));
    const timeline = layOut(days, query.createdFrom, query.createdTo);
    const statistics = {
      total,
      statusDistribution: this.kind.statuses.map((status) => ({ status, count: countOf.get(status) ?? 0 })),
      ...(sources && { sourceDistribution: sources.map(({ text, count }) => ({ source: text, count })) }),
      groupDistribution: groups.entries,
      tagDistribution: tags.entries,
      timeline: timeline.entries,
      timelineUnit: timeline.unit,
      fields,
      others: {
        ...(sources && { sourceDistribution: total - sources.reduce((sum, { count }) => sum + count, 0) }),
        ...{ groupDistribution: groups.others, tagDistribution: tags.others },
      },
    };
    const loaded = await this.tools.customFields.current(this.noun);
    return { ...statistics, drill: this.drill(statistics, query, filters, loaded) };
  }

  private drill(
    figures: Omit<ContactStatistics, 'drill'> & { sourceDistribution?: { source: string }[] },
    { fields: _fields, ...query }: StatisticsQuery,
    filters: CustomFilters,
    { byKey }: LoadedFields,
  ): StatisticsDrill {
    const given = [
      ...Object.entries(query).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
      ...[...filters].flatMap(([name, values]) => values.map((value) => [name, value])),
    ] as [string, string][];
    const address = (more: Record<string, string> = {}) => {
      const kept = given.filter(([name]) => !Object.hasOwn(more, name));
      const params = new URLSearchParams([...kept, ...Object.entries(more)]).toString();
      return `/${API_PREFIX}/${this.noun}${params ? `?${params}` : ''}`;
    };
    const addresses = (values: readonly (string | number)[], paramsOf: (value: string) => Record<string, string>) =>
      Object.fromEntries(
        values
          .map((value) => [value, address(paramsOf(String(value)))])
          .filter(([, url]) => String(url).length <= MAX_ADDRESS),
      ) as Record<string, string>;
    // A list is asked for one status, tag and group: beside the one that it is asked for already it takes no other.
    const statuses = figures.statusDistribution.map(({ status }) => status);
    const tags = figures.tagDistribution.map(({ tag }) => tag);
    const groups = figures.groupDistribution.map(({ groupId }) => groupId);
    const { createdFrom, createdTo } = query;
    const ofField = (key: string) => {
      const name = `cf.${key}`;
      if (byKey.get(key)?.type === 'multi-list' && filters.has(name)) return {};
      const { values, blank } = figures.fields[key];
      const texts = [...values.map(({ value }) => String(value)), ...(blank > 0 ? [''] : [])];
      return addresses(texts, (value) => ({ [name]: value }));
    };
    return {
      total: address(),
      statusDistribution: addresses(
        statuses.filter((status) => query.status === undefined || status === query.status),
        (status) => ({ status }),
      ),
      ...(figures.sourceDistribution && {
        sourceDistribution: addresses(
          figures.sourceDistribution.map(({ source }) => source),
          (source) => ({ source }),
        ),
      }),
      groupDistribution: addresses(
        groups.filter((id) => query.groupId === undefined || id === query.groupId),
        (groupId) => ({ groupId }),
      ),
      tagDistribution: addresses(
        tags.filter((tag) => query.tag === undefined || tag === query.tag.normalize('NFC')),
        (tag) => ({ tag }),
      ),
      timeline: addresses(
        figures.timeline.map(({ date }) => date),
        (date) => endsOf(date, createdFrom, createdTo),
      ),
      fields: Object.fromEntries(Object.keys(figures.fields).map((key) => [key, ofField(key)])),
    };
  }
}

function keysOf({ fields = '' }: StatisticsQuery): string[] {
  const keys = [...new Set(fields.split(',').map((key) => key.trim()))].filter((key) => key !== '');
  if (keys.length <= MAX_FIELDS) return keys;
  const message = `names more than ${MAX_FIELDS} custom fields`;
  throw validationFailed([{ field: 'fields', code: 'too-long', message }]);
}
