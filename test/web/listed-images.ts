import type { TestAnswer, TestApp } from '../support/test-app.js';

/** What `/api/images` says of an image. */
export interface ListedImage {
  readonly id: string;
  readonly project: string;
  readonly tags: readonly string[];
  readonly commits: readonly string[];
  readonly branches: readonly string[];
  readonly releases: number;
  readonly running: readonly string[];
  readonly uses: readonly { readonly label: string; readonly kind: string; readonly release: string }[];
  readonly deletable: boolean;
  readonly reason: string | null;
}

export const listImages = async (app: TestApp, path = '/api/images'): Promise<ListedImage[]> => JSON.parse((await app.control(path)).text) as ListedImage[];

/** @throws Error unless there is exactly one */
export async function onlyImage(app: TestApp): Promise<ListedImage> {
  const [image, ...more] = await listImages(app);
  if (!image || more.length > 0) throw new Error(`not one image but ${image ? more.length + 1 : 0}`);
  return image;
}

export const deleteImage = (app: TestApp, id: string, headers: Readonly<Record<string, string>> = { authorization: `Bearer ${app.token}` }): Promise<TestAnswer> =>
  app.control(`/api/images/${id}`, { method: 'DELETE', headers });

export const wordOf = async (app: TestApp, query = 'branch=main'): Promise<string> => (await app.control(`/status?${query}`)).text;
