import { connect, createServer, Server } from 'node:net';
import { once } from 'node:events';
import { untilReached } from './until-reached';

const dial = async (port: number) => {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
};

const listen = async (port: number): Promise<Server> => {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
};

const portOf = (server: Server) => (server.address() as { port: number }).port;

describe('untilReached', () => {
  it('waits for a server that comes up later', async () => {
    const first = await listen(0);
    const port = portOf(first);
    first.close();
    await once(first, 'close');
    let attempts = 0;
    let server: Server | undefined;
    await untilReached('server', async () => {
      if (++attempts === 2) server = await listen(port);
      await dial(port);
    });
    server!.close();
    expect(attempts).toBe(2);
  });

  it('gives up when its patience is over', async () => {
    const server = await listen(0);
    const port = portOf(server);
    server.close();
    await once(server, 'close');
    await expect(untilReached('server', () => dial(port), 300)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('does not try again when the server says no', async () => {
    let attempts = 0;
    const refused = untilReached('server', async () => {
      attempts++;
      throw Object.assign(new Error('Access denied'), { code: 'ER_ACCESS_DENIED_ERROR' });
    });
    await expect(refused).rejects.toThrow('Access denied');
    expect(attempts).toBe(1);
  });
});
