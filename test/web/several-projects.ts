import { sampleProject } from '../support/sample-project.js';
import { createTestRepository, type TestRepository } from '../support/git.js';
import { startTestApp, type TestApp, type TestAppOptions } from '../support/test-app.js';

/** A server with the projects `shop` and `blog`, which have nothing in common. */
export interface TwoProjects extends AsyncDisposable {
  readonly app: TestApp;
  readonly blog: TestRepository;
  /** An absolute URL. */
  at(host: string, path?: string): string;
}

export async function startTwoProjects(options: TestAppOptions = {}): Promise<TwoProjects> {
  const blog = createTestRepository({ Dockerfile: 'FROM scratch\n', blog: 'yes' });
  const app = await startTestApp({
    ...options,
    configure: (config) => {
      const named = config.projects.map((project) => ({ ...project, name: sampleProject('shop').name }));
      const both = { ...config, projects: [...named, sampleProject('blog', { repository: blog.path })] };
      return options.configure ? options.configure(both) : both;
    },
  });
  return {
    app, blog,
    at: (host, path = '/') => `http://${host}:${app.port}${path}`,
    [Symbol.asyncDispose]: async () => { await app[Symbol.asyncDispose](); blog[Symbol.dispose](); },
  };
}
