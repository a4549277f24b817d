import { parseProjectName } from '../../src/domain/ids.js';
import type { Project } from '../../src/domain/project.js';
import { startTestApp } from '../support/test-app.js';

const REGISTRIES = { shop: ['shop.example.com', 'both.example.com'], blog: ['blog.example.com', 'both.example.com'] };

/** Two projects of one repository; each lets images of its own registry run, and both those of a third. */
const startTwoProjects = () => startTestApp({
  registry: () => ({}),
  configure: (config) => ({
    ...config,
    projects: config.projects.flatMap((project) => Object.entries(REGISTRIES).map(([name, registries]): Project => ({ ...project, name: parseProjectName(name), images: { registries, labels: {} } }))),
  }),
});

const query = (reference: string, more = '') => `/p?image=${encodeURIComponent(reference)}${more}`;

describe('images of several projects', () => {
  it('D13: on the server host, the one project that lets the registry’s images run has them', async () => {
    await using app = await startTwoProjects();
    const { headers: { location = '' } } = await app.control(query('blog.example.com/app:1'));
    expect(location).toMatch(new RegExp(`^http://container-app-1-[0-9a-f]{12}\\.blog\\.localhost:${app.port}/p$`));
    expect((await app.get(new URL(location).hostname, '/p')).json()).toMatchObject({ url: '/p', env: { SLIPWAY_URL: new URL(location).origin } });
    expect(app.engine.pulls.map(({ project }) => project)).toEqual(['blog']);
  });

  it('D13: where none or more than one would do, that is said', async () => {
    await using app = await startTwoProjects();
    const none = await app.control(query('other.example.com/app:1'));
    expect([none.status, none.json().error]).toEqual([403, 'image_not_allowed']);
    const both = await app.control(query('both.example.com/app:1'));
    expect([both.status, both.json().error, both.json().projects]).toEqual([409, 'ambiguous_project', ['shop', 'blog']]);
    expect((await app.control(query('both.example.com/app:1', '&project=shop&x=1'))).headers.location).toMatch(/\.shop\.localhost:\d+\/p\?x=1$/);
  });

  it('D13: on a project’s own host, only that project is asked', async () => {
    await using app = await startTwoProjects();
    expect((await app.get('shop.localhost', query('blog.example.com/app:1'))).status).toBe(403);
    expect((await app.get('shop.localhost', query('both.example.com/app:1'))).headers.location).toMatch(/^http:\/\/container-app-1-[0-9a-f]{12}\.shop\.localhost:\d+\/p$/);
  });
});
