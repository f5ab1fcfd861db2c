import { SqlCondition } from '@muster/platform/database/record-table';
import { ScopeCondition } from '@muster/platform/http/list-scope';
import { DuplicateGroup, DuplicateKeys } from './contacts.duplicates.repository';
import type { ContactNoun } from '../memberships/contacts.memberships.service';

/** The groups that a caller may see. */
export interface VisibleGroups {
  /** The next groups of a kind, by rising hash. @param after the hash to go on behind */
  next(kind: number, after: number, limit: number): Promise<DuplicateGroup[]>;
  /** The first records of a group, by rising id. */
  members(group: DuplicateGroup, limit: number): Promise<number[]>;
}

/** Whoever sees so many records or fewer has them compared directly: a short walk beside that through all groups there are. */
const FEW = 20_000;
/** Of how many groups one statement says whether the caller sees them. */
const GROUPS_AT_ONCE = 500;
const EVERYTHING: SqlCondition = { sql: '1 = 1', params: [] };

/**
 * The cheapest way to a caller's groups.
 * @param within what the caller sees, for a query on the noun's table; null for everything
 * @param few how many records are compared directly at most
 */
export async function visibleGroups(
  keys: DuplicateKeys,
  noun: ContactNoun,
  within: ScopeCondition | null,
  few = FEW,
): Promise<VisibleGroups> {
  if (!within) return allGroups(keys, noun);
  const ids = await keys.idsWithin(noun, within, few + 1);
  return ids.length > few ? groupsWithin(keys, noun, within) : groupsOf(keys, noun, ids);
}

const allGroups = (keys: DuplicateKeys, noun: ContactNoun): VisibleGroups => ({
  next: (kind, after, limit) => keys.groups(noun, kind, after, limit),
  members: (group, limit) => keys.members(noun, group, EVERYTHING, limit),
});

const groupsWithin = (keys: DuplicateKeys, noun: ContactNoun, within: SqlCondition): VisibleGroups => ({
  async next(kind, after, limit) {
    const seen: DuplicateGroup[] = [];
    for (let behind = after; seen.length < limit;) {
      const groups = await keys.groups(noun, kind, behind, GROUPS_AT_ONCE);
      seen.push(...(await keys.groupsWithin(noun, kind, groups, within)));
      if (groups.length < GROUPS_AT_ONCE) break;
      behind = groups[groups.length - 1].keyHash;
    }
    return seen.slice(0, limit);
  },
  members: (group, limit) => keys.members(noun, group, within, limit),
});

async function groupsOf(keys: DuplicateKeys, noun: ContactNoun, ids: number[]): Promise<VisibleGroups> {
  const byKind = new Map<number, Map<number, number[]>>();
  for await (const [id, own] of keys.keysOf(
    noun,
    ids.toSorted((a, b) => a - b),
  )) {
    for (const [kind, hash] of own) {
      const byHash = byKind.get(kind) ?? new Map<number, number[]>();
      byKind.set(kind, byHash);
      const members = byHash.get(hash);
      if (members) members.push(id);
      else byHash.set(hash, [id]);
    }
  }
  const membersOf = ({ kind, keyHash }: DuplicateGroup) => byKind.get(kind)!.get(keyHash)!;
  return {
    async next(kind, after, limit) {
      const groups = [...(byKind.get(kind) ?? [])].filter(([hash, members]) => hash > after && members.length > 1);
      groups.sort(([a], [b]) => a - b);
      return groups.slice(0, limit).map(([keyHash, members]) => ({ kind, keyHash, count: members.length }));
    },
    members: async (group, limit) =>
      membersOf(group)
        .toSorted((a, b) => a - b)
        .slice(0, limit),
  };
}
