import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Max,
  MaxLength,
  Min,
  ValidateIf,
} from 'class-validator';
import { ListQueryDto, PageMetaDto } from '@muster/platform/http/list-query.dto';
import { CONTACT_NOUNS, type ContactNoun } from '../contacts/memberships/contacts.memberships.service';
import type { Group } from './groups.entity';

/** How many records one call puts into a group, or takes out. */
export const MAX_MEMBERS_AT_ONCE = 1_000;

/** A whole group, for POST and PUT. */
export class GroupInput {
  /** 1 to 100 characters; unique, whatever the case. */
  @IsOptional()
  @IsString()
  name: string;

  /** At most 500 characters. */
  @IsOptional()
  @IsString()
  description?: string | null;

  /** The team whose group it is; null, or left out, for everyone's. Only admins choose: a manager's group is of their team. */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  teamId?: number | null;
}

/** The property behind each name that the list of groups is sorted by. */
export const GROUP_SORT_FIELDS = { createdAt: 'createdAt', name: 'nameKey' } as const;
export const GROUP_SORTS = ['-createdAt', 'createdAt', 'name', '-name'] as const;

export class ListGroupsQuery extends ListQueryDto {
  @IsOptional()
  @IsIn(GROUP_SORTS)
  @ApiPropertyOptional({ enum: GROUP_SORTS, default: '-createdAt' })
  sort?: (typeof GROUP_SORTS)[number];

  /** Part of the name, whatever the case. */
  @IsOptional()
  @IsString()
  @MaxLength(100)
  q?: string;
}

/** A list of 1 to 1,000 ids; the property may be left out. */
const IsIdList = () =>
  applyDecorators(
    ValidateIf((_, value) => value !== undefined),
    IsArray(),
    ArrayMinSize(1),
    ArrayMaxSize(MAX_MEMBERS_AT_ONCE),
    IsInt({ each: true }),
    Min(1, { each: true }),
    Max(Number.MAX_SAFE_INTEGER, { each: true }),
  );

/** Records by their ids: `customerIds`, `leadIds` or both, at most 1,000 together. */
export class GroupMembersInput {
  @IsIdList()
  customerIds?: number[];

  @IsIdList()
  leadIds?: number[];
}

export class GroupView {
  id: number;
  name: string;
  description: string | null;
  /** Null: everyone's. */
  teamId: number | null;
  /** The customers in it that the caller may see. */
  customerCount: number;
  /** The leads in it that the caller may see. */
  leadCount: number;
  createdBy: number;
  createdAt: Date;
  updatedAt: Date;
}

export class GroupPage {
  data: GroupView[];
  meta: PageMetaDto;
}

/** A record that is absent, or not the caller's to change. */
export class GroupMemberNotFound {
  @ApiProperty({ enum: CONTACT_NOUNS })
  noun: ContactNoun;
  id: number;
}

export class GroupMembersAddedView {
  /** How many records are in the group now that were not before. */
  added: number;
  alreadyMembers: number;
  notFound: GroupMemberNotFound[];
}

export class GroupMembersRemovedView {
  /** How many records were in the group and are not now. */
  removed: number;
  notMembers: number;
  notFound: GroupMemberNotFound[];
}

/** A group, and how many of its members the caller may see. */
export interface CountedGroup extends Group {
  customerCount: number;
  leadCount: number;
}

/** A group as clients see it. */
export const toGroupView = ({ nameKey: _key, version: _version, ...view }: CountedGroup): GroupView => view;
