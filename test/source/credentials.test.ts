import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withCredentials } from '../../src/source/credentials.js';
import { gitEnvironment } from '../../src/source/git-settings.js';
import { parseRepository } from '../../src/source/repository.js';
import { createTestFolder } from '../support/git.js';

const NONE = { tokenFile: null, sshKey: null, knownHosts: null };
const HTTPS = parseRepository('https://git.example.com/acme/shop.git');
const SSH = parseRepository('git@git.example.com:acme/shop.git');

describe('the credentials of a project', () => {
  it('are a token as a password, which nothing says again', () => {
    using folder = createTestFolder();
    const file = join(folder.path, 'token');
    writeFileSync(file, 'ghp_secret\n');
    const repository = withCredentials(HTTPS, { ...NONE, tokenFile: file });
    const encoded = Buffer.from('git:ghp_secret').toString('base64');
    expect(repository).toMatchObject({ address: HTTPS.address, authorization: `Authorization: Basic ${encoded}` });
    expect(repository.redact(`fatal: ghp_secret or ${encoded} at https://me:pw@x/`)).toBe('fatal: *** or *** at https://***@x/');
  });

  it('are a key and known hosts, which reach ssh whatever their folders are called', () => {
    const repository = withCredentials(SSH, { ...NONE, sshKey: "/srv/it's mine/key", knownHosts: '/srv/hosts' });
    const env = gitEnvironment({ gitDir: '/m', home: '/h', configFile: '/c', path: '/bin', repository });
    expect(env.GIT_SSH_COMMAND).toBe("ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oIdentitiesOnly=yes -i '/srv/it'\\''s mine/key' -oUserKnownHostsFile='/srv/hosts'");
    expect(gitEnvironment({ gitDir: '/m', home: '/h', configFile: '/c', path: '/bin', repository: withCredentials(SSH, NONE) }).GIT_SSH_COMMAND).toBe('ssh -oBatchMode=yes -oStrictHostKeyChecking=yes');
  });

  it.each([
    ['a token for ssh', SSH, { ...NONE, tokenFile: '/srv/token' }, 'git.tokenFile is for https addresses'],
    ['a key for https', HTTPS, { ...NONE, sshKey: '/srv/key' }, 'git.sshKey and git.knownHosts are for ssh addresses'],
    ['known hosts for a path', parseRepository('/srv/shop'), { ...NONE, knownHosts: '/srv/hosts' }, 'git.sshKey and git.knownHosts are for ssh addresses'],
    ['a file that is not there', HTTPS, { ...NONE, tokenFile: '/nowhere/token' }, 'git.tokenFile cannot be read: /nowhere/token.'],
  ])('are never %s', (_what, repository, credentials, sentence) => {
    expect(() => withCredentials(repository, credentials)).toThrow(sentence);
  });

  it('are never two lines, or none', () => {
    using folder = createTestFolder();
    const file = join(folder.path, 'token');
    for (const text of ['', '\n', 'one two', 'one\ntwo']) {
      writeFileSync(file, text);
      expect(() => withCredentials(HTTPS, { ...NONE, tokenFile: file })).toThrow('git.tokenFile must hold one token and nothing else');
    }
  });
});
