import { Injectable, PipeTransform } from '@nestjs/common';
import { notFound } from '@muster/core/errors';

/** An id in a path. What cannot be an id names nothing: 404, like any other absent record. */
@Injectable()
export class RecordIdPipe implements PipeTransform<string, number> {
  transform(value: string): number {
    const id = /^[1-9]\d{0,15}$/.test(value) ? Number(value) : NaN;
    if (!Number.isSafeInteger(id)) throw notFound();
    return id;
  }
}
