import { AppError } from './errors.js';
import type { ImageReference } from './image-reference.js';
import type { AllowedImages, Project } from './project.js';

type Labels = Readonly<Record<string, string>>;

/** Whether `?image=` can mean anything at all on a host; `null` is the one of no project, where it may mean any of them. */
export const letsImagesRun = (project: Pick<Project, 'images'> | null): boolean => project === null || project.images.registries.length > 0;

/** Lets only images of the project's registries through. @throws AppError `image_not_allowed` */
export function assertRegistry({ registries }: AllowedImages, { registry }: ImageReference): void {
  if (registries.includes(registry)) return;
  throw new AppError('image_not_allowed', `Images of ${registry} may not run here.`);
}

/** Whether an image carries each label with its value. */
export const carriesLabels = (own: Labels, wanted: Labels): boolean => missingLabel(own, wanted) === undefined;

/** Lets only images through that carry each label. @throws AppError `image_not_allowed` that names the first that is missing */
export function assertLabels(own: Labels, wanted: Labels, { text }: ImageReference): void {
  const missing = missingLabel(own, wanted);
  if (missing === undefined) return;
  const [name, value] = missing;
  const instead = Object.hasOwn(own, name) ? `its label ${name} has another value than ${value}` : `it lacks the label ${name}=${value}`;
  throw new AppError('image_not_allowed', `${text} may not run here: ${instead}.`);
}

const missingLabel = (own: Labels, wanted: Labels): [string, string] | undefined =>
  Object.entries(wanted).find(([name, value]) => !Object.hasOwn(own, name) || own[name] !== value);
