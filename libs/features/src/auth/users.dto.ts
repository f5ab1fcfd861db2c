import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, Max, MaxLength, Min, ValidateIf } from 'class-validator';
import { ROLES } from '@muster/core/permissions';
import type { Role } from '@muster/core/permissions';
import { ListQueryDto, PageMetaDto } from '@muster/platform/http/list-query.dto';
import { IsPassword, IsTextOf, Trimmed, UserView } from './auth.dto';
import type { Team, User } from './auth.entity';
import { PASSWORD_MIN } from './auth.passwords';

/** The property may be left out, but not be null. */
const MayBeLeftOut = () => ValidateIf((_body, value) => value !== undefined);

/** The property behind each name that lists of users and teams are sorted by. */
export const PEOPLE_SORT_FIELDS = { createdAt: 'createdAt', name: 'name' } as const;
export const PEOPLE_SORTS = ['-createdAt', 'createdAt', 'name', '-name'] as const;

export class ListTeamsQuery extends ListQueryDto {
  @IsIn(PEOPLE_SORTS)
  @IsOptional()
  @ApiPropertyOptional({ enum: PEOPLE_SORTS, default: '-createdAt' })
  sort?: (typeof PEOPLE_SORTS)[number];
}

export class ListUsersQuery extends ListTeamsQuery {
  @IsIn(ROLES)
  @IsOptional()
  role?: Role;

  @Type(() => Number)
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  @IsOptional()
  teamId?: number;

  @Transform(({ value }: { value: unknown }) => (value === 'true' ? true : value === 'false' ? false : value))
  @IsBoolean()
  @IsOptional()
  active?: boolean;
}

export class CreateUserBody {
  @Trimmed()
  @IsTextOf(2, 100)
  name: string;

  @IsString()
  @MaxLength(320)
  email: string;

  @IsPassword(PASSWORD_MIN)
  password: string;

  @IsIn(ROLES)
  role: Role;

  /** The default team, when left out. */
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  @MayBeLeftOut()
  teamId?: number;

  @IsString()
  @MaxLength(64)
  @IsOptional()
  phone?: string | null;
}

export class UpdateUserBody {
  @Trimmed()
  @IsTextOf(2, 100)
  @MayBeLeftOut()
  name?: string;

  @IsString()
  @MaxLength(320)
  @MayBeLeftOut()
  email?: string;

  /** A new password; ends the user's sessions. */
  @IsPassword(PASSWORD_MIN)
  @MayBeLeftOut()
  password?: string;

  @IsIn(ROLES)
  @MayBeLeftOut()
  role?: Role;

  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  @MayBeLeftOut()
  teamId?: number;

  /** Null removes it. */
  @IsString()
  @MaxLength(64)
  @IsOptional()
  phone?: string | null;

  /** False suspends the user and ends their sessions. */
  @IsBoolean()
  @MayBeLeftOut()
  active?: boolean;
}

export class UserPage {
  data: UserView[];
  meta: PageMetaDto;
}

export class TeamBody {
  @Trimmed()
  @IsTextOf(1, 100)
  name: string;
}

export class UpdateTeamBody {
  @Trimmed()
  @IsTextOf(1, 100)
  @MayBeLeftOut()
  name?: string;
}

export class TeamView {
  id: number;
  name: string;
  /** The team that new users join; it cannot be deleted. */
  isDefault: boolean;
  createdAt: Date;
  updatedAt: Date;
}

export class TeamPage {
  data: TeamView[];
  meta: PageMetaDto;
}

/** A user as clients see it. */
export function userView(user: User): UserView {
  const { id, name, email, role, teamId, phone, active, createdAt, updatedAt } = user;
  return { id, name, email, role, teamId, phone, active, createdAt, updatedAt };
}

/** A team as clients see it. */
export function teamView({ id, name, isDefault, createdAt, updatedAt }: Team): TeamView {
  return { id, name, isDefault, createdAt, updatedAt };
}
