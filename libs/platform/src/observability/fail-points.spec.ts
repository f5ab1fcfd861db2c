import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripTypeScriptTypes } from 'node:module';
import { armFailPoints, failPoint } from './fail-points';

describe('fail points', () => {
  afterEach(() => armFailPoints([]));

  it('do nothing when none is armed, or another one', () => {
    failPoint('chunk.claimed');
    armFailPoints([{ point: 'chunk.claimed', nth: 1, action: 'kill' }]);
    failPoint('chunk.before-commit');
  });

  it('end the process by SIGKILL at the nth passing, after saying so', () => {
    const module = stripTypeScriptTypes(readFileSync(join(__dirname, 'fail-points.ts'), 'utf8'));
    const script = `${module}
      process.on('exit', () => process.stdout.write('clean end'));
      armFailPoints([{ point: 'chunk.claimed', nth: 2, action: 'kill' }]);
      failPoint('chunk.claimed');
      process.stdout.write('once ', () => { failPoint('chunk.claimed'); process.stdout.write('twice'); });`;
    const ended = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    expect(ended).toMatchObject({
      signal: 'SIGKILL',
      stdout: 'once ',
      stderr: expect.stringContaining('fail point chunk.claimed: kill\n') as string,
    });
  });
});
