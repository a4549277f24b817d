import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { join } from 'node:path';
import { withCredentials } from '../../src/source/credentials.js';
import { gitEnvironment } from '../../src/source/git-settings.js';
import { parseRepository } from '../../src/source/repository.js';
import { createTestFolder, createTestRepository } from '../support/git.js';
import { listen } from '../support/listen.js';
import { failureOf, startSource } from './started-source.js';

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
  ])('are never %s', (...[, repository, credentials, sentence]) => {
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

/** A repository over git's older http protocol: plain files, each asked for with credentials. */
function fileServer(folder: string, heard: string[]): RequestListener {
  return (request, response) => {
    heard.push(request.headers.authorization ?? '');
    const file = join(folder, (request.url ?? '/').split('?')[0] ?? '');
    if (request.headers.authorization === undefined) response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    else if (existsSync(file)) response.end(readFileSync(file));
    else response.writeHead(404).end();
  };
}

describe('B15: a mirror', () => {
  it('gets the credentials of its URL, which nothing else ever shows', async () => {
    using repository = createTestRepository({ Dockerfile: 'FROM scratch\n' });
    repository.git('update-server-info');
    const heard: string[] = [];
    await using server = await listen(createServer(fileServer(join(repository.path, '.git'), heard)));
    const secret = 'to-ken-8271';
    await using started = await startSource(`http://me:${secret}@127.0.0.1:${server.port}/`, { recorded: true });
    expect((await started.source.findRef('main')).commit).toBe(repository.head());
    expect(new Set(heard)).toEqual(new Set([`Basic ${Buffer.from(`me:${secret}`).toString('base64')}`]));
    rmSync(repository.path, { recursive: true });
    const failure = await failureOf(started.source.refresh());
    expect(failure.code).toBe('git_unreachable');
    for (const shown of [started.calls().join(), JSON.stringify(started.log.recent()), failure.message, JSON.stringify(started.source.fault()), readFileSync(join(started.mirror, 'config'), 'utf8')]) {
      expect(shown).not.toContain(secret);
    }
  });

  it('gets the token of a file, which nothing else ever shows', async () => {
    using repository = createTestRepository({ Dockerfile: 'FROM scratch\n' });
    using folder = createTestFolder();
    repository.git('update-server-info');
    const heard: string[] = [];
    await using server = await listen(createServer(fileServer(join(repository.path, '.git'), heard)));
    const [secret, tokenFile] = ['to-ken-8272', join(folder.path, 'token')];
    writeFileSync(tokenFile, `${secret}\n`);
    await using started = await startSource(`http://127.0.0.1:${server.port}/`, { recorded: true, credentials: { tokenFile, sshKey: null, knownHosts: null } });
    expect((await started.source.findRef('main')).commit).toBe(repository.head());
    expect(new Set(heard)).toEqual(new Set([`Basic ${Buffer.from(`git:${secret}`).toString('base64')}`]));
    for (const shown of [started.calls().join(), JSON.stringify(started.log.recent()), readFileSync(join(started.mirror, 'config'), 'utf8')]) expect(shown).not.toContain(secret);
  });
});
