import { loadConfig, readClientSettings } from '../../src/config.js';

describe('the surroundings of the command line', () => {
  it('say which server, which token and where the server keeps it', () => {
    expect(readClientSettings({ SLIPWAY_SERVER: 'http://x', SLIPWAY_TOKEN: 'slw_x', SLIPWAY_STATE_DIR: '/s', XDG_STATE_HOME: '/x' })).toEqual({ server: 'http://x', token: 'slw_x', stateDir: '/s', defaultStateDir: '/x/slipway' });
    expect(readClientSettings({ SLIPWAY_SERVER: '', SLIPWAY_TOKEN: '', HOME: '/home/ada' })).toEqual({ server: undefined, token: undefined, stateDir: undefined, defaultStateDir: '/home/ada/.local/state/slipway' });
  });

  it('may hold what is wrong for a server, and the other way round', () => {
    expect(readClientSettings({ SLIPWAY_PORT: 'many', HOME: '/home/ada' }).server).toBeUndefined();
    expect(loadConfig('https://git.example.com/acme/shop.git', {}, { SLIPWAY_SERVER: 'http://x' }).projects).toHaveLength(1);
    expect(() => loadConfig('https://git.example.com/acme/shop.git', {}, { SLIPWAY_SERVERS: 'http://x' })).toThrow('SLIPWAY_SERVERS is not a setting');
  });

  it('leave the default state directory where the server has it', () => {
    const env = { XDG_STATE_HOME: '/x' };
    expect(readClientSettings(env).defaultStateDir).toBe(loadConfig('https://git.example.com/acme/shop.git', {}, env).stateDir);
  });
});
