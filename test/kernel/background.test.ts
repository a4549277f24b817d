import { createBackground } from '../../src/kernel/background.js';

describe('work in the background', () => {
  it('is waited for at the end, whether it fails or not, and a failure is told', async () => {
    const background = createBackground();
    const told: unknown[] = [];
    const opened: (() => void)[] = [];
    const failing = new Promise<void>((_resolve, reject) => { opened.push(() => { reject(new Error('no')); }); });
    const good = new Promise<void>((resolve) => { opened.push(resolve); });
    void background.begin(failing, (error) => { told.push(error); });
    void background.begin(good, (error) => { told.push(error); });
    let isOver = false;
    const over = background.settled().then(() => { isOver = true; });
    for (const open of opened) {
      await Promise.resolve();
      expect(isOver).toBe(false);
      open();
    }
    await over;
    expect(told).toEqual([new Error('no')]);
  });

  it('is over at once when nothing was begun', async () => {
    await expect(createBackground().settled()).resolves.toBeUndefined();
  });
});
