import { LIMITS } from '@muster/core/contact/fields';
import { FieldError } from '@muster/core/errors';
import { isDeeper } from '@muster/core/json';

type Metadata = Record<string, unknown>;

/** Largest metadata of one record, in bytes of its JSON. */
export const MAX_METADATA_BYTES = LIMITS.metadataBytes;
/** How deep metadata may be nested. */
const MAX_DEPTH = 10;

/** Holds metadata to its limits: 16 KB as JSON, ten levels. Null is no metadata. */
export function checkMetadata(metadata: Metadata | null | undefined, errors: FieldError[]): Metadata | undefined {
  if (!metadata) return undefined;
  if (isDeeper(metadata, MAX_DEPTH)) {
    errors.push({ field: 'metadata', code: 'too-deep', message: `is nested deeper than ${MAX_DEPTH} levels` });
  } else if (Buffer.byteLength(JSON.stringify(metadata)) > MAX_METADATA_BYTES) {
    errors.push({ field: 'metadata', code: 'too-long', message: `is larger than ${MAX_METADATA_BYTES} bytes of JSON` });
  }
  return metadata;
}

/**
 * The metadata after a change, with `phoneExtension` kept in step with the phone: an extension that came with the number
 * wins; otherwise metadata that the request gave stands as given; otherwise the old extension goes with the old number.
 */
export function keepExtension(
  current: { phone: string | null; metadata: Metadata },
  change: { phone?: string | null; phoneExtension?: string | null; metadata?: Metadata },
): Metadata {
  const metadata = change.metadata ?? current.metadata;
  if (change.phoneExtension) return { ...metadata, phoneExtension: change.phoneExtension };
  if (change.metadata || change.phone === undefined || change.phone === current.phone) return metadata;
  const rest = { ...metadata };
  delete rest.phoneExtension;
  return rest;
}
