import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsIn, IsInt, IsOptional, Max, Min, ValidateBy } from 'class-validator';
import { PERMISSIONS, type Permission } from '@muster/core/permissions';
import { IsInstant, ListQueryDto, PageMetaDto } from '@muster/platform/http/list-query.dto';
import { IsTextOf, Trimmed } from './auth.dto';
import { ApiKey } from './auth.entity';
import { GRANTABLE } from './auth.policy';

const KNOWN: string[] = Object.keys(PERMISSIONS);

/** One or more names of permissions, each once. Looks at the length first: a body may list very many. */
const IsPermissions = () =>
  ValidateBy({
    name: 'isPermissions',
    validator: {
      validate: (value) =>
        Array.isArray(value) &&
        value.length > 0 &&
        value.length <= KNOWN.length &&
        value.every((name) => KNOWN.includes(name as string)) &&
        new Set(value).size === value.length,
      defaultMessage: () => '$property must be a list of permissions, one or more, each once',
    },
  });

export class ApiKeyBody {
  /** What it is for; 1 to 100 characters. */
  @Trimmed()
  @IsTextOf(1, 100)
  name: string;

  /** What the key may be used for, within what its owner may do at that time. `account:read` always comes with them. */
  @IsPermissions()
  @ApiProperty({ enum: GRANTABLE, isArray: true })
  permissions: Permission[];

  /** A time in the future, or a date, which means its end in UTC. Without it the key does not expire. */
  @IsOptional()
  @IsInstant()
  expiresAt?: string | null;
}

export const API_KEY_SORT_FIELDS = { createdAt: 'createdAt', name: 'name' } as const;
export const API_KEY_SORTS = ['-createdAt', 'createdAt', 'name', '-name'] as const;

export class ListApiKeysQuery extends ListQueryDto {
  @IsOptional()
  @IsIn(API_KEY_SORTS)
  @ApiPropertyOptional({ enum: API_KEY_SORTS, default: '-createdAt' })
  sort?: (typeof API_KEY_SORTS)[number];

  /** The owner. */
  @IsOptional()
  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  userId?: number;
}

export class ApiKeyView {
  id: number;
  /** The owner, for whom it acts. */
  userId: number;
  name: string;
  /** The first characters of the key. */
  prefix: string;
  @ApiProperty({ enum: GRANTABLE, isArray: true })
  permissions: Permission[];
  createdAt: Date;
  /** Null: it does not expire. */
  expiresAt: Date | null;
  /** To the minute; null when it has not been used. */
  lastUsedAt: Date | null;
}

export class ApiKeyCreated extends ApiKeyView {
  /** The whole key. It is shown in this answer only. */
  key: string;
}

export class ApiKeyPage {
  data: ApiKeyView[];
  meta: PageMetaDto;
}

/** A key as clients see it. */
export const toApiKeyView = (apiKey: ApiKey): ApiKeyView => {
  const { id, userId, name, prefix, permissions, createdAt, expiresAt, lastUsedAt } = apiKey;
  return { id, userId, name, prefix, permissions, createdAt, expiresAt, lastUsedAt };
};
