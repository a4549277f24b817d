/** Who a container engine is. */
export interface EngineDescription {
  readonly version: string;
  readonly apiVersion: string;
  readonly builder: 'buildkit' | 'classic';
  /** Where it was found, for people. */
  readonly address: string;
  /** Sentences about what the engine does not protect against. */
  readonly warnings: readonly string[];
  /** How layers are stored, such as `overlay2`. */
  readonly storageDriver: string;
  /** The folder with its images; null when the engine is on another machine. */
  readonly rootDir: string | null;
}

/** Something that keeps previews from harming others. */
export interface Protection {
  readonly name: string;
  /** Null when there is nothing to judge by. */
  readonly holds: boolean | null;
  /** What was found, as a sentence. */
  readonly detail: string;
}
