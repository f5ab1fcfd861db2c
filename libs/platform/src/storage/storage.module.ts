import { Global, Module } from '@nestjs/common';
import { Config } from '../config/config';
import { CONFIG } from '../config/config.module';
import { tokenSecrets } from '../config/secrets';
import { DirectoryStorage } from './directory.storage';
import { RateLimitsModule } from '../http/rate-limits.module';
import { LocalFiles } from './local-files';
import { LocalUploadsController } from './local-uploads.controller';
import { S3Storage } from './s3.storage';
import { type Storage, STORAGE } from './storage';

@Global()
@Module({
  providers: [
    {
      provide: STORAGE,
      inject: [CONFIG],
      useFactory: async ({ storage, auth, dataDir }: Config): Promise<Storage> =>
        storage.kind === 's3'
          ? new S3Storage(storage)
          : new DirectoryStorage(storage.path, await tokenSecrets(auth.jwtSecrets, dataDir)),
    },
    {
      provide: LocalFiles,
      inject: [CONFIG, STORAGE],
      useFactory: (config: Config, storage: Storage) => new LocalFiles(config.dataDir, storage),
    },
  ],
  exports: [STORAGE, LocalFiles],
})
export class StorageModule {}

/** The addresses of uploads, for a process with HTTP doors. */
@Module({ imports: [RateLimitsModule], controllers: [LocalUploadsController] })
export class UploadsHttpModule {}
