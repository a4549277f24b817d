import { AppError } from '../domain/errors.js';
import type { EnvironmentName } from '../domain/ids.js';
import { assertRegistry, carriesLabels } from '../domain/image-policy.js';
import { nameOfReference, parseImageReference, type ImageReference } from '../domain/image-reference.js';
import { formatLabel, type PreviewName } from '../domain/preview-name.js';
import type { Project } from '../domain/project.js';
import type { Route } from '../domain/release.js';
import type { RouteStore } from '../state/routes.js';
import type { ImagePreview } from './preview.js';

/** The preview of an image that a person names. @throws AppError `invalid_image`, `image_not_allowed` */
export function imagePreviewOf(project: Project, { text, environment }: { readonly text: string; readonly environment: EnvironmentName | null }): ImagePreview {
  const preview = describe(project, { image: parseImageReference(text), environment });
  assertRegistry(project.images, preview.image);
  return preview;
}

/** The preview that a route of an image is, whether or not the image may still run. */
export const imagePreviewOfRoute = (project: Project, { subject, environment }: Pick<Route, 'subject' | 'environment'>): ImagePreview =>
  describe(project, { image: parseImageReference(subject), environment });

/** Whether the configuration of today still lets an image's route run, its image carrying these labels. */
export function mayRun(route: Route, { project, labels }: { readonly project: Project; readonly labels: Readonly<Record<string, string>> }): boolean {
  const { image, environment } = imagePreviewOfRoute(project, route);
  const { registries, labels: wanted } = project.images;
  return registries.includes(image.registry) && carriesLabels(labels, wanted) && (environment === null || project.environments.has(environment));
}

/**
 * Finds the image behind a host: the name has no more of it than a person needs, the routes have the rest.
 *
 * @throws AppError `unknown_preview`, `unknown_environment` and `image_not_allowed` when the configuration has changed since
 */
export async function findImagePreview(project: Project, name: PreviewName & { readonly kind: 'image' }, routes: RouteStore): Promise<ImagePreview> {
  const label = formatLabel(name);
  const route = await routes.findLabel(project.name, label);
  if (route?.kind !== 'image') throw new AppError('unknown_preview', `There is no preview ${label}: open the image by its name, with ?image=, and it gets its host.`);
  const { environment } = route;
  if (environment !== null && !project.environments.has(environment)) throw new AppError('unknown_environment', `“${environment}” is not an environment of ${project.name} any more.`);
  const preview = imagePreviewOfRoute(project, route);
  assertRegistry(project.images, preview.image);
  return preview;
}

/** Keeps two images apart whose names would share a host. @throws AppError `invalid_image` */
export function assertOwnRoute({ subject, environment, label }: ImagePreview, route: Route): void {
  if (route.kind === 'image' && route.subject === subject && route.environment === environment) return;
  throw new AppError('invalid_image', `The host ${label} belongs to ${route.subject} already: give the image ${subject} another tag.`);
}

function describe(project: Project, { image, environment }: { readonly image: ImageReference; readonly environment: EnvironmentName | null }): ImagePreview {
  const label = formatLabel({ kind: 'image', name: nameOfReference(image, environment) });
  return { project, kind: 'image', label, environment, subject: image.text, commit: null, branch: null, image };
}
