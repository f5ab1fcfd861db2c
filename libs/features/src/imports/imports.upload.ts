import { Inject, Injectable } from '@nestjs/common';
import type { ApiBodyOptions } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { invalid } from '@muster/core/errors';
import { Principal } from '@muster/core/principal';
import { type Config } from '@muster/platform/config/config';
import { CONFIG } from '@muster/platform/config/config.module';
import { discard, receiveForm } from '@muster/platform/http/upload';
import { LocalFiles } from '@muster/platform/storage/local-files';
import { ImportAccepted, ImportsAccepted } from './imports.dto';
import { ImportTarget } from './imports.entity';
import { readRequest } from './imports.options';
import { ImportsService } from './imports.service';

/** The form of an upload, for the API's document. */
export const uploadForm = (withTarget: boolean): ApiBodyOptions => ({
  schema: {
    type: 'object',
    required: [...(withTarget ? ['target'] : []), 'file'],
    properties: {
      ...(withTarget ? { target: { type: 'string', enum: ['leads', 'customers'] } } : {}),
      file: { type: 'string', format: 'binary', description: 'CSV, TSV or XLSX; may be repeated' },
      options: {
        type: 'string',
        description:
          'JSON: {delimiter, encoding, sheet, duplicates, defaultRegion, tags, assignTo, groupId, events, keepUnmapped}',
      },
      mapping: { type: 'string', description: 'JSON: {"column name": "target" or null}; suggested when absent' },
      autoStart: {
        type: 'string',
        enum: ['true', 'false'],
        description: 'Start when the mapping is complete; default true',
      },
    },
  },
});

/** Receives the form of an upload and makes an import of each file. */
@Injectable()
export class ImportsUpload {
  constructor(
    private readonly imports: ImportsService,
    private readonly files: LocalFiles,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** @param target what the rows become, where the route says so and not the form */
  async receive(
    caller: Principal,
    request: FastifyRequest,
    target?: ImportTarget,
  ): Promise<ImportAccepted | ImportsAccepted> {
    const { fields, files } = await receiveForm(request, this.files, this.config.imports.maxDirectBytes);
    try {
      if (files.length === 0 || files.some(({ fieldName }) => fieldName !== 'file')) {
        throw invalid('validation-failed', 'Send one or more files, each in a field called "file".', [
          { field: 'file', code: 'required', message: 'is required' },
        ]);
      }
      const wanted = readRequest(target ? { target, ...fields } : fields, this.config.defaultRegion);
      const accepted: ImportAccepted[] = [];
      for (const file of files) {
        const { id, status } = await this.imports.create(caller, file, wanted);
        accepted.push({ id, status });
      }
      return accepted.length === 1 ? accepted[0] : { imports: accepted };
    } finally {
      await discard(files);
    }
  }
}
