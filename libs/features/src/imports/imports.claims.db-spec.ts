import { openUndo } from '@muster/testing/undo';

describe('claims of whole imports', () => {
  let bench: Awaited<ReturnType<typeof openUndo>>;
  beforeAll(async () => {
    bench = await openUndo();
  });
  afterAll(() => bench.services.close());

  it('offers a lane for small files the small ones, whatever waits before them', async () => {
    const { repository, services } = bench;
    const { skipLocked } = services.database.dialect;
    const waiting = async (fileSize: number) =>
      (await bench.imported([], { status: 'analyzing', createdBy: 1, fileSize })).id;
    const claimed = (maxBytes?: number) =>
      services.transactions.run((tx) => repository.claimImport(tx, 60_000, skipLocked, maxBytes));
    const [large, small, larger] = [await waiting(5_000), await waiting(10), await waiting(9_000)];
    expect(await claimed(1_000)).toMatchObject({ id: small });
    expect(await claimed(1_000)).toBeNull();
    expect(await claimed()).toMatchObject({ id: large });
    expect(await claimed()).toMatchObject({ id: larger });
  });

  it('does not hide a large file from its lane while the other one looks for small files', async () => {
    const { repository, services } = bench;
    const { skipLocked } = services.database.dialect;
    const claim = (maxBytes?: number) =>
      services.transactions.run((tx) => repository.claimImport(tx, 60_000, skipLocked, maxBytes));
    for (let round = 0; round < 150; round++) {
      const { id } = await bench.imported([], { status: 'analyzing', createdBy: 1, fileSize: 5_000 });
      const claims = await Promise.all([claim(1_000), claim(), ...Array.from({ length: 5 }, () => claim(1_000))]);
      expect(claims.map((each) => each?.id)).toEqual([undefined, id, ...Array<undefined>(5)]);
    }
  });

  it('knows when an import was ended under the hands of its worker', async () => {
    const { repository, services } = bench;
    const { id } = await bench.imported([], { status: 'analyzing', createdBy: 1 });
    const claim = (await services.transactions.run((tx) =>
      repository.claimImport(tx, 60_000, services.database.dialect.skipLocked),
    ))!;
    expect([claim.id, await repository.isClaimed(claim)]).toEqual([id, true]);
    await services.transactions.run((tx) => repository.end(tx, id, 'cancelled', null));
    expect(await repository.isClaimed(claim)).toBe(false);
  });
});
