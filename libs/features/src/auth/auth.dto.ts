import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsBoolean, IsIn, IsNotEmpty, IsOptional, IsString, MaxLength, ValidateBy, ValidateIf } from 'class-validator';
import type { Role } from '@muster/core/permissions';
import { codePointLength, trimText } from '@muster/core/contact/text';
import { PageMetaDto } from '@muster/platform/http/list-query.dto';
import { isPassword, PASSWORD_MAX, PASSWORD_MIN } from './auth.passwords';

/** Takes white space off both ends of a text before it is checked. */
export const Trimmed = () =>
  Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? trimText(value) : value));

/**
 * A text of so many code points, as a column counts them (`Length` does not count variation selectors), without control
 * characters and halves of characters.
 */
export const IsTextOf = (min: number, max: number) =>
  ValidateBy({
    name: 'isText',
    validator: {
      validate: (value) => {
        if (typeof value !== 'string' || /[\p{Cc}\p{Cs}]/u.test(value)) return false;
        const length = codePointLength(value);
        return length >= min && length <= max;
      },
      defaultMessage: () => `$property must be a text of ${min} to ${max} characters, without control characters`,
    },
  });

/** A password of at least `min` characters. */
export const IsPassword = (min: number) =>
  ValidateBy({
    name: 'isPassword',
    validator: {
      validate: (value) => isPassword(value, min),
      defaultMessage: () =>
        `$property must be a text of ${min} to ${PASSWORD_MAX} characters, without control characters`,
    },
  });

/** How the refresh token travels: in the answer, or in a cookie that scripts cannot read. */
const SESSION_KINDS = ['token', 'cookie'] as const;
type SessionKind = (typeof SESSION_KINDS)[number];

export class RegisterBody {
  @Trimmed()
  @IsTextOf(2, 100)
  name: string;

  @IsString()
  @MaxLength(320)
  email: string;

  @IsPassword(PASSWORD_MIN)
  password: string;

  /** As in a login. */
  @ValidateIf((_, value) => value !== undefined)
  @IsIn(SESSION_KINDS)
  @ApiPropertyOptional({ enum: SESSION_KINDS, default: 'token' })
  session?: SessionKind;
}

export class LoginBody {
  @IsString()
  @IsNotEmpty()
  @MaxLength(320)
  email: string;

  @IsPassword(1)
  password: string;

  /** A name for this device in the list of sessions. */
  @Trimmed()
  @IsTextOf(0, 100)
  @IsOptional()
  device?: string;

  /** `cookie`, for browsers: the refresh token is set as a cookie that scripts cannot read, and left out of the answer. */
  @ValidateIf((_, value) => value !== undefined)
  @IsIn(SESSION_KINDS)
  @ApiPropertyOptional({ enum: SESSION_KINDS, default: 'token' })
  session?: SessionKind;
}

export class RefreshBody {
  /** Without it, the one of the session's cookie. */
  @ValidateIf((_, value) => value !== undefined)
  @IsString()
  @IsNotEmpty()
  @MaxLength(4096)
  refreshToken?: string;
}

export class LogoutBody {
  /** Ends the session of this token; without it, the one of the access token. */
  @IsString()
  @MaxLength(4096)
  @IsOptional()
  refreshToken?: string;

  /** Ends every session of the caller. */
  @IsBoolean()
  @IsOptional()
  allDevices?: boolean;
}

export class PasswordBody {
  @IsPassword(1)
  currentPassword: string;

  @IsPassword(PASSWORD_MIN)
  newPassword: string;
}

export class UserView {
  id: number;
  name: string;
  email: string;
  role: Role;
  teamId: number | null;
  /** E.164. */
  phone: string | null;
  /** False while suspended. */
  active: boolean;
  createdAt: Date;
  updatedAt: Date;
}

export class SignedIn {
  accessToken: string;
  /** Good for one refresh; the answer holds the next. Left out of a session by cookie. */
  refreshToken?: string;
  /** Of a session by cookie: goes into the `X-CSRF-Token` header of a refresh. Stays the same through refreshes. */
  csrfToken?: string;
  /** Seconds until the access token expires. */
  expiresIn: number;
  user: UserView;
}

export class SessionView {
  id: number;
  device: string | null;
  createdAt: Date;
  lastUsedAt: Date;
  expiresAt: Date;
  /** Whether it is the one of the request. */
  current: boolean;
}

export class SessionPage {
  data: SessionView[];
  meta: PageMetaDto;
}
