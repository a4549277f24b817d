import { AppError } from '../domain/errors.js';
import { parseImageReference } from '../domain/image-reference.js';
import type { Project } from '../domain/project.js';
import { ambiguousProject } from '../flow/find-project.js';

/** The only project that lets images of the registry run. @throws AppError `image_not_allowed`, `ambiguous_project` */
export function projectOfImage(scope: readonly Project[], reference: string): Project {
  const { registry } = parseImageReference(reference);
  const [only, ...more] = scope.filter(({ images }) => images.registries.includes(registry));
  if (!only) throw new AppError('image_not_allowed', `No project lets images of ${registry} run.`);
  if (more.length > 0) throw ambiguousProject([only, ...more]);
  return only;
}
