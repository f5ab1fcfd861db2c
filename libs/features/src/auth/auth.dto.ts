import { Transform } from 'class-transformer';
import { IsBoolean, IsNotEmpty, IsOptional, IsString, Length, MaxLength, ValidateBy } from 'class-validator';
import type { Role } from '@muster/core/permissions';
import { codePointLength, trimText } from '@muster/core/contact/text';
import { PageMetaDto } from '@muster/platform/http/list-query.dto';
import { PASSWORD_MAX, PASSWORD_MIN } from './auth.passwords';

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

export class RegisterBody {
  @Trimmed()
  @IsTextOf(2, 100)
  name: string;

  @IsString()
  @MaxLength(320)
  email: string;

  @IsString()
  @Length(PASSWORD_MIN, PASSWORD_MAX)
  password: string;
}

export class LoginBody {
  @IsString()
  @IsNotEmpty()
  @MaxLength(320)
  email: string;

  @IsString()
  @IsNotEmpty()
  @MaxLength(PASSWORD_MAX)
  password: string;

  /** A name for this device in the list of sessions. */
  @Trimmed()
  @IsTextOf(0, 100)
  @IsOptional()
  device?: string;
}

export class RefreshBody {
  @IsString()
  @IsNotEmpty()
  @MaxLength(4096)
  refreshToken: string;
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
  @IsString()
  @IsNotEmpty()
  @MaxLength(PASSWORD_MAX)
  currentPassword: string;

  @IsString()
  @Length(PASSWORD_MIN, PASSWORD_MAX)
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
  /** Good for one refresh; the answer holds the next. */
  refreshToken: string;
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
