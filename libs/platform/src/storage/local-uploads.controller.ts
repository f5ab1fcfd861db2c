import { PassThrough } from 'node:stream';
import { Controller, Headers, HttpCode, Inject, Param, Put, Query, Req, Res } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import { IsInt, Matches, Max, Min } from 'class-validator';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { invalid, notFound } from '@muster/core/errors';
import { Limited, Public } from '../http/access';
import { DirectoryStorage } from './directory.storage';
import { type Storage, STORAGE } from './storage';

/** What an upload address says beside its path. */
export class UploadAddressQuery {
  /** Bytes of the part. */
  @Type(() => Number)
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  size: number;

  /** Until when it is good, in seconds since 1970. */
  @Type(() => Number)
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  expires: number;

  @Matches(/^[0-9a-f]{64}$/)
  signature: string;
}

/** The addresses that uploads are sent to where files are kept in a directory; with an S3 store they are the store's own. */
@ApiTags('files')
@Controller('files/uploads')
export class LocalUploadsController {
  constructor(@Inject(STORAGE) private readonly storage: Storage) {}

  /**
   * Takes the bytes of an upload, or of one of its parts. The address is the permission; it comes from the route that began the upload.
   * Sent again, a part takes the place of the one before. The `ETag` is the SHA-256 of the bytes.
   */
  @Put(':name/:part')
  @HttpCode(200)
  @Public()
  @Limited('parts')
  @ApiConsumes('application/octet-stream')
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiOkResponse({ description: 'The bytes are stored.' })
  async put(
    @Param('name') name: string,
    @Param('part') part: string,
    @Query() { size, expires, signature }: UploadAddressQuery,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
    @Headers('content-length') length?: string,
  ): Promise<void> {
    if (!(this.storage instanceof DirectoryStorage) || !/^[\w.-]{1,200}$/.test(name) || !/^[1-9]\d{0,5}$/.test(part)) {
      throw notFound();
    }
    const { uploads } = this.storage;
    const signed = { name, number: Number(part), size, expires, signature };
    uploads.verify(signed);
    if (length !== undefined && Number(length) !== size) {
      throw invalid('upload-size-mismatch', `This part has ${size} bytes, no more and no fewer.`);
    }
    // In between, because what fails to be stored ends its source, and the connection would go with the answer.
    const body = request.raw.pipe(new PassThrough());
    request.raw.once('error', (error) => body.destroy(error));
    reply.header('etag', `"${await uploads.receive(signed, body)}"`);
  }
}
