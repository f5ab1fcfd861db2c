import { Inject, Injectable } from '@nestjs/common';
import type { ApiBodyOptions } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { invalid, ProblemError } from '@muster/core/errors';
import { Principal } from '@muster/core/principal';
import { type Config } from '@muster/platform/config/config';
import { CONFIG } from '@muster/platform/config/config.module';
import { discard, receiveForm, UploadedFile } from '@muster/platform/http/upload';
import { LocalFiles } from '@muster/platform/storage/local-files';
import { FileAccepted, ImportAccepted, ImportsAccepted } from './imports.dto';
import { ImportTarget } from './imports.entity';
import { ImportRequest, readRequest } from './imports.options';
import { ImportsOptionsService } from './imports.options.service';
import { cleanFileName, ImportsService } from './imports.service';

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

/** Refusals that are about the one file; others are about the request. */
const OF_THE_FILE = [413, 415, 422];

/** Receives the form of an upload and makes an import of each file. */
@Injectable()
export class ImportsUpload {
  constructor(
    private readonly imports: ImportsService,
    private readonly options: ImportsOptionsService,
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
      if (files.length === 1) return await this.create(caller, files[0], wanted);
      // What is wrong with the request is no fault of one file.
      await this.options.check(caller, wanted.target, wanted.options);
      const imports: FileAccepted[] = [];
      for (const file of files) imports.push(await this.createOneOf(caller, file, wanted));
      return { imports };
    } finally {
      await discard(files);
    }
  }

  private async create(caller: Principal, file: UploadedFile, wanted: ImportRequest): Promise<ImportAccepted> {
    const { id, status } = await this.imports.create(caller, file, wanted);
    return { id, status };
  }

  /** One of several: when it is refused, the others are imported all the same. */
  private async createOneOf(caller: Principal, file: UploadedFile, wanted: ImportRequest): Promise<FileAccepted> {
    const fileName = cleanFileName(file.fileName);
    try {
      return { ...(await this.create(caller, file, wanted)), fileName };
    } catch (error) {
      if (!(error instanceof ProblemError) || !OF_THE_FILE.includes(error.status)) throw error;
      return { status: 'refused', fileName, error: { code: error.code, detail: error.message } };
    }
  }
}
