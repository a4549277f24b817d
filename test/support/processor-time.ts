/** How much processor time of this process the work took, in milliseconds; unlike what a clock says, it leaves out what else the machine does meanwhile. */
export async function processorMs(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}
