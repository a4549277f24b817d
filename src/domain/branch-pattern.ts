/** Whether a branch's name is what a pattern says: `*` stands for anything but a slash, `**` for anything; all else for itself. */
export function matchesBranch(pattern: string, branch: string): boolean {
  const source = pattern.split(/(\*+)/).map((part) => (part === '*' ? '[^/]*' : part.startsWith('**') ? '.*' : part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))).join('');
  return new RegExp(`^${source}$`, 's').test(branch);
}
