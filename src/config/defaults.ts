import { listFileSettings, listSettings, type SettingEntry } from './entries.js';

/** The name of the project in the text, to be replaced. */
const EXAMPLE = 'example';
const EXAMPLE_REPOSITORY = 'https://git.example.com/acme/example.git';

/**
 * A whole configuration file with every default, each with its sentence. What has no default is a comment, and so
 * is the project: the text as it stands is a file that names none.
 */
export function renderDefaults(): string {
  const settings = listSettings().filter(({ flag }) => flag !== null);
  const file = listFileSettings();
  const [own, ofProject] = [file.filter(({ name }) => !name.startsWith('projects.')), file.filter(({ name }) => name.startsWith('projects.'))];
  const project = [`projects:`, `  ${EXAMPLE}:`, ...linesOf(ofProject.map(inExample), '    ')];
  return `${[...linesOf([...settings, ...own], ''), '', ...project.map((line) => `# ${line}`)].join('\n')}\n`;
}

function inExample(entry: SettingEntry): SettingEntry {
  const name = entry.name.replace('projects.NAME.', '');
  return { ...entry, name, initial: name === 'repository' ? EXAMPLE_REPOSITORY : entry.initial };
}

function linesOf(entries: readonly SettingEntry[], indent: string): string[] {
  let group = '';
  return entries.flatMap((entry) => {
    const [first = '', second] = entry.name.split('.');
    const head = second !== undefined && first !== group ? [`${indent}${first}:`] : [];
    group = first;
    return [...head, second === undefined ? lineOf(first, entry, indent) : lineOf(second, entry, `${indent}  `)];
  });
}

function lineOf(key: string, { initial, description, later }: SettingEntry, indent: string): string {
  const meaning = `# ${description}${later ? ' (read, but does nothing yet)' : ''}`;
  return initial === '' ? `${indent}# ${key}: ${meaning}` : `${indent}${key}: ${scalar(initial)} ${meaning}`;
}

/** A bare `.` or `file:` would be read as something else. */
const scalar = (text: string): string => (/^[A-Za-z0-9][A-Za-z0-9 .%]*$/.test(text) || /^[[{]/.test(text) ? text : `"${text}"`);
