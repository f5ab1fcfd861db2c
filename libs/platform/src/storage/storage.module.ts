import { Global, Module } from '@nestjs/common';
import { Config } from '../config/config';
import { CONFIG } from '../config/config.module';
import { DirectoryStorage } from './directory.storage';
import { LocalFiles } from './local-files';
import { S3Storage } from './s3.storage';
import { type Storage, STORAGE } from './storage';

@Global()
@Module({
  providers: [
    {
      provide: STORAGE,
      inject: [CONFIG],
      useFactory: ({ storage }: Config): Storage =>
        storage.kind === 's3' ? new S3Storage(storage) : new DirectoryStorage(storage.path),
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
