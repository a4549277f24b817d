/** Ends once all of the work has, so that nothing goes on unseen. @throws what the first one that failed threw */
export async function settleAll(work: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}
