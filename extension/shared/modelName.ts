/** A model's name where there is little room: a tab, the status bar, a label. The backend's `wording.short_model` agrees. */

const MOST = 16;
const COMMIT = /^[0-9a-f]{40}$/;
const HUB_ID = /^(?:[\w.-]+\/)?[\w.-]+@/;

/** The last part of a path or hub id, cut between its words; a revision stays. Empty for an empty source. */
export function shortModel(source: string): string {
  const [name, revision] = parts(source);
  const short = cut(lastPart(name).replace(/\.gguf$/i, ''));
  return revision === '' ? short : `${short}@${COMMIT.test(revision) ? revision.slice(0, 7) : cut(revision)}`;
}

/** The last part of a path or hub id, for a sentence. */
export function lastPart(source: string): string {
  return (
    source
      .replace(/[\\/]+$/, '')
      .split(/[\\/]/)
      .at(-1) ?? ''
  );
}

/** Only a hub id has a revision: a path may hold an `@` as well. */
function parts(source: string): [name: string, revision: string] {
  const at = HUB_ID.test(source) ? source.indexOf('@') : -1;
  return at < 0 ? [source, ''] : [source.slice(0, at), source.slice(at + 1)];
}

function cut(name: string): string {
  const letters = [...name];
  if (letters.length <= MOST) return name;
  const start = letters.slice(0, MOST);
  const at = Math.max(start.lastIndexOf('-'), start.lastIndexOf('_'));
  return `${start.slice(0, at > 0 ? at : MOST).join('')}…`;
}
