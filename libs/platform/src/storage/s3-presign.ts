import { PutObjectCommand, S3Client, UploadPartCommand } from '@aws-sdk/client-s3';

/** What the signer takes and gives, of which the client's types tell only half. */
interface Request {
  protocol: string;
  hostname: string;
  port?: number;
  path: string;
  query?: Record<string, string | string[] | null>;
  headers: Record<string, string>;
}
interface Presigner {
  presign(request: Request, options: { expiresIn: number; signableHeaders: Set<string> }): Promise<Request>;
}

/** An address by which anyone may send just so many bytes, whatever they are, in place of a command. @param seconds how long it is good */
export async function presign(
  client: S3Client,
  command: PutObjectCommand | UploadPartCommand,
  bytes: number,
  seconds: number,
): Promise<string> {
  let signed: Request | undefined;
  // Takes the place of signing and sending, where the address of the request is known.
  command.middlewareStack.addRelativeTo(
    () => async (args: { request: unknown }) => {
      const { protocol, hostname, port, path, query, headers } = args.request as Request;
      const presigner = (await client.config.signer()) as unknown as Presigner;
      const request = {
        ...{ protocol, hostname, port, path, query },
        method: 'PUT',
        headers: { host: headers.host, 'content-length': String(bytes), 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
      };
      signed = await presigner.presign(request, {
        expiresIn: seconds,
        signableHeaders: new Set(['content-length', 'host']),
      });
      return { response: {}, output: { $metadata: {} } };
    },
    { name: 'presign', relation: 'before', toMiddleware: 'httpSigningMiddleware', override: true },
  );
  await client.send(command as PutObjectCommand);
  const { protocol, hostname, port, path, query = {} } = signed!;
  const parameters = Object.entries(query).map(([name, value]) => `${encode(name)}=${encode(String(value))}`);
  return `${protocol}//${hostname}${port ? `:${port}` : ''}${path}?${parameters.join('&')}`;
}

/** As signatures have it: more is escaped than `encodeURIComponent` does. */
const encode = (text: string) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
