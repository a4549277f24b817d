import { settleAll } from '../../src/kernel/settle-all.js';
import { gate } from '../support/test-app.js';

describe('work that is settled as a whole', () => {
  it('fails with what failed first in its order, and not before all of it has ended', async () => {
    const { opened, open } = gate();
    const ended: string[] = [];
    const slow = opened.then(() => { ended.push('slow'); throw new Error('slow'); });
    const settled = settleAll([slow, Promise.reject(new Error('quick')), Promise.resolve()]).catch((error: unknown) => { ended.push(String(error)); });
    await new Promise<void>((resolve) => { setImmediate(resolve); });
    expect(ended).toEqual([]);
    open();
    await settled;
    expect(ended).toEqual(['slow', 'Error: slow']);
  });

  it('ends when there is nothing wrong, or nothing at all', async () => {
    await expect(settleAll([Promise.resolve(1)])).resolves.toBeUndefined();
    await expect(settleAll([])).resolves.toBeUndefined();
  });
});
