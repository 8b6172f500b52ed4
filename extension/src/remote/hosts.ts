import path from 'node:path';

/** How files are read; tests bring their own. */
export interface ConfigFiles {
  home: string;
  read(file: string): Promise<string | null>;
  /** The names in a folder; none if the folder is missing. */
  list(folder: string): Promise<string[]>;
}

/** A host as the person's ssh config names it. */
export interface ConfiguredHost {
  name: string;
  /** HostName, where one is given. */
  address: string;
}

const DEEPEST_INCLUDE = 16;

/** The hosts of an ssh config and the files it includes, in their order; patterns are no hosts. */
export async function configuredHosts(file: string, files: ConfigFiles): Promise<ConfiguredHost[]> {
  const found = new Map<string, ConfiguredHost>();
  await readInto(found, file, files, 0);
  return [...found.values()];
}

async function readInto(
  found: Map<string, ConfiguredHost>,
  file: string,
  files: ConfigFiles,
  depth: number,
): Promise<void> {
  const text = depth > DEEPEST_INCLUDE ? null : await files.read(file);
  let current: ConfiguredHost[] = [];
  for (const line of text?.split(/\r?\n/) ?? []) {
    const [keyword = '', ...values] = wordsOf(line);
    switch (keyword.toLowerCase()) {
      case 'host':
        current = values.filter((name) => refuseHost(name) === null).map((name) => ({ name, address: '' }));
        for (const host of current) if (!found.has(host.name)) found.set(host.name, host);
        break;
      case 'match':
        current = [];
        break;
      case 'hostname':
        // the first value counts, as it does for ssh
        for (const { name } of current) {
          const host = found.get(name);
          if (host && host.address === '') host.address = values[0] ?? '';
        }
        break;
      case 'include':
        for (const pattern of values)
          for (const included of await matches(pattern, files)) await readInto(found, included, files, depth + 1);
        break;
    }
  }
}

/** Keyword and arguments: `Host a "b c"`, `HostName=a`, comments left out. */
function wordsOf(line: string): string[] {
  const text = line.trim();
  if (text.startsWith('#')) return [];
  const spaced = text.replace(/^(\w+)\s*=\s*/, '$1 ');
  return [...spaced.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

/** The files that an Include means: relative to ~/.ssh, with `*` and `?` in the last part. */
async function matches(pattern: string, files: ConfigFiles): Promise<string[]> {
  const expanded = pattern.replace(/^~(?=\/|$)/, files.home);
  const whole = path.isAbsolute(expanded) ? expanded : path.join(files.home, '.ssh', expanded);
  const name = path.basename(whole);
  if (!/[*?]/.test(name)) return [whole];
  const folder = path.dirname(whole);
  const escaped = name.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  const fits = new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`);
  const names = (await files.list(folder)).filter((found) => fits.test(found) && !found.startsWith('.'));
  return names.sort().map((found) => path.join(folder, found));
}

/** Why a text is no host to connect to; null when it is one. What ssh or a shell could take for more is none. */
export function refuseHost(text: string): string | null {
  const [, user, host = ''] = /^(?:([^@]*)@)?([^@]*)$/.exec(text) ?? [];
  const isName = /^[A-Za-z0-9_:][A-Za-z0-9_.:%-]*$/.test(host);
  const isUser = user === undefined || /^[A-Za-z0-9_][A-Za-z0-9_.+-]*$/.test(user);
  return isName && isUser && text.length <= 255
    ? null
    : 'A host is a name from your ssh config, a host name or an address: gpu1, me@gpu1.example.org.';
}
