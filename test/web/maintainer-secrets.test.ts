import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnvironmentName } from '../../src/domain/ids.js';
import { sampleProject } from '../support/sample-project.js';
import { NAVIGATION } from '../support/test-app.js';
import { startTwoProjects } from './several-projects.js';

const OWN = 'own-secret-of-the-project';
const NAMED = 'secret-of-an-environment';
const PASSWORD = 'hunter2hunter2';
const STAGING = parseEnvironmentName('staging');

it('INV10, D9: no maintainers’ page tells a token, a secret, a variable’s value or a password', async () => {
  await using two = await startTwoProjects({
    configure: (config) => ({
      ...config,
      projects: [
        ...config.projects.map((project) => ({ ...project, run: { ...project.run, env: { API_KEY: OWN } }, environments: new Map([[STAGING, { env: { OTHER_KEY: NAMED } }]]) })),
        // Nobody listens on that port: git says so, and names the repository.
        sampleProject('away', { repository: `http://bot:${PASSWORD}@127.0.0.1:9/away.git` }),
      ],
    }),
  });
  const { app } = two;
  for (const label of ['branch-main', `staging-hash-${app.repository.head()}`]) expect((await app.get(`${label}.shop.localhost`, '/')).json()).toMatchObject({ env: { API_KEY: OWN } });
  const secrets = [app.token, readFileSync(join(app.stateDir, 'session-secret'), 'utf8').trim(), OWN, NAMED, PASSWORD];
  for (const host of ['localhost', 'shop.localhost', 'away.localhost']) {
    for (const path of ['/', '/log', '/status', '/localimages', '/debug', '/api/images', '/api/builds']) {
      for (const headers of [{}, NAVIGATION]) {
        const { status, text } = await app.get(host, path, { headers });
        expect([host, path, status]).toEqual([host, path, 200]);
        expect([host, path, secrets.filter((secret) => text.includes(secret))]).toEqual([host, path, []]);
      }
    }
  }
  const away = await app.get('away.localhost', '/debug');
  expect(away.json()).toMatchObject({ mirrors: [{ repository: 'http://127.0.0.1:9/away.git', refreshedAt: null, fault: { message: expect.stringContaining('127.0.0.1') as string } }] });
});
