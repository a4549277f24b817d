/** Something with a life: started in order, stopped in the reverse one. `stop` is safe twice and after a failed `start`. */
export interface Part {
  start(): Promise<void>;
  stop(): Promise<void>;
}
