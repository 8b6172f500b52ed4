import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { HEAT_STEPS } from '../../extension/src/editor/heat';
import { PROMPT_LANGUAGES } from '../../extension/src/languages';

const at = (file: string) => new URL(`../../extension/${file}`, import.meta.url);
const read = (file: string) => readFileSync(at(file), 'utf8');

interface Manifest {
  engines: { vscode: string };
  activationEvents: string[];
  extensionKind: string[];
  capabilities: { untrustedWorkspaces: { supported: string; restrictedConfigurations: string[] } };
  devDependencies: Record<string, string>;
  contributes: {
    commands: { command: string; title: string; category: string }[];
    keybindings: { command: string; key: string; mac: string; when: string }[];
    menus: Record<string, { command: string; when?: string }[]>;
    languages: { id: string; extensions: string[]; configuration: string; icon: { light: string; dark: string } }[];
    grammars: { language: string; scopeName: string; path: string }[];
    snippets: { language: string; path: string }[];
    walkthroughs: {
      steps: { title: string; description: string; media: { svg: string }; completionEvents: string[] }[];
    }[];
    colors: { id: string; defaults: Record<string, string> }[];
    configuration: {
      properties: Record<string, { scope: string; markdownDescription?: string; default: unknown; enum?: string[] }>;
    };
  };
}
const manifest = JSON.parse(read('package.json')) as Manifest;
const { colors, commands, configuration, grammars, keybindings, languages, menus, snippets, walkthroughs } =
  manifest.contributes;

describe('the manifest', () => {
  it('has the commands under one category, all of them wired', () => {
    expect(commands.map(({ title }) => title)).toEqual([
      'Analyze Prompt', 'Choose Prompt…', 'Compare Prompt…', 'Cancel Analysis', 'Why Not …?', 'Fit Lens…', 'Next Heat (Flow, Surprisal, None)', 'Hide Heat', 'Toggle Live Mode', 'Export Graph…', 'Share…', 'Select Model…', 'Select Device…',
      'Select Precision…', 'Set Up Backend', 'Restart Backend', 'Unload Model', 'Connect to Remote Backend…',
      'Set Up Remote Backend', 'Disconnect', 'Use Local Backend', 'Show Log', 'Report Issue…', 'New Prompt', 'Open Run', 'Open Run as Text',
      'Rename Run…', 'Delete Run', 'Save Run Beside Prompt', 'Copy Link to Run', 'Copy Link to Prompt',
    ]); // prettier-ignore
    const wiring = read('src/extension.ts') + read('src/commands/runs.ts');
    for (const { command, category } of commands) {
      expect(category).toBe('LM Transparency');
      expect(wiring).toContain(`${command.replace('lmTransparency.', '')}:`);
    }
  });

  it('offers only commands that exist', () => {
    const known = new Set(commands.map(({ command }) => command));
    for (const { command } of [...keybindings, ...Object.values(menus).flat()]) expect(known).toContain(command);
  });

  it('offers an export where a graph is', () => {
    const [entry] = (menus['editor/title'] ?? []).filter(({ command }) => command === 'lmTransparency.exportGraph');
    expect(entry?.when).toBe("activeWebviewPanelId == 'lmTransparency.routes'");
  });

  it('has a colour for every step of heat, each with more of it, and none in high contrast', () => {
    const heat = colors.filter(({ id }) => id.startsWith('lmTransparency.heat'));
    expect(heat.map(({ id }) => id)).toEqual(
      Array.from({ length: HEAT_STEPS }, (_, index) => `lmTransparency.heat${index + 1}`),
    );
    for (const theme of ['dark', 'light'] as const) {
      const alphas = heat.map(({ defaults }) => Number.parseInt(defaults[theme]?.slice(7) ?? '', 16));
      expect(alphas).toEqual([...alphas].sort((a, b) => a - b));
      expect(new Set(alphas).size).toBe(HEAT_STEPS);
    }
    for (const { defaults } of heat)
      expect([defaults['highContrast'], defaults['highContrastLight']]).toEqual(['#00000000', '#00000000']);
  });

  it('is the extension of every colour that is drawn with', () => {
    const known = new Set(colors.map(({ id }) => id));
    for (const [, id] of read('src/editor/tokenMarks.ts').matchAll(/ThemeColor\('(lmTransparency\.\w+)'\)/g))
      expect(known).toContain(id);
  });

  it('has the languages that prompts are looked for in', () => {
    expect(languages.map(({ id }) => id).sort()).toEqual([...PROMPT_LANGUAGES].sort());
  });

  it('gives each of them rules, an icon, and all but plain lines a grammar and snippets', () => {
    const named = ['lm-prompt', 'lm-chat', 'lm-prompts-jsonl'];
    expect(grammars.map(({ language }) => language)).toEqual(named);
    expect(snippets.map(({ language }) => language)).toEqual(named);
    const files = languages.flatMap(({ configuration, icon }) => [configuration, icon.light, icon.dark]);
    for (const file of [...files, ...[...grammars, ...snippets].map((one) => one.path)])
      expect(existsSync(at(file)), file).toBe(true);
    for (const { scopeName, path } of grammars) expect(JSON.parse(read(path))).toMatchObject({ scopeName });
  });

  it('binds only keys that VS Code leaves free', () => {
    // chords of Ctrl+K that VS Code 1.139 has for nothing
    const free = [
      'ctrl+k ctrl+enter',
      'ctrl+k g',
      'ctrl+k h',
      'ctrl+k shift+h',
      'ctrl+k j',
      'ctrl+k l',
      'ctrl+k ctrl+g',
      'ctrl+k ctrl+y',
    ];
    // in a view of our own the keys that rename and delete everywhere are ours
    for (const { key, mac } of keybindings.filter(({ when }) => !when.startsWith('focusedView == lmTransparency.'))) {
      expect(free).toContain(key);
      expect(mac).toBe(key.replaceAll('ctrl', 'cmd'));
    }
  });

  it('packs all that the extension reads', () => {
    const packed = read('.vscodeignore').split('\n');
    for (const folder of ['languages', 'syntaxes', 'snippets']) expect(packed).toContain(`!${folder}/*.json`);
    for (const entry of [
      '!README.md',
      '!CHANGELOG.md',
      '!dist/webview/page.html',
      '!dist/docs/*.md',
      '!dist/docs/images/*',
    ])
      expect(packed).toContain(entry);
  });

  it('has a walkthrough of small pictures in the colours of the theme, whose buttons exist', () => {
    const known = new Set(commands.map(({ command }) => command));
    expect(walkthroughs.flatMap(({ steps }) => steps.map(({ title }) => title))).toEqual([
      'Your First Analysis', 'Choose a Model', 'Connect to a GPU Machine', 'Ask About Your Own Prompt',
    ]); // prettier-ignore
    for (const { description, media, completionEvents } of walkthroughs.flatMap(({ steps }) => steps)) {
      const asked = [...description.matchAll(/\(command:(\w[\w.]*)\)/g), ...completionEvents.map((e) => e.split(':'))];
      for (const [, command] of asked) expect(known).toContain(command);
      const picture = read(media.svg);
      expect(picture.length).toBeLessThan(10_000);
      expect(picture).not.toMatch(/#[0-9a-f]{6}|<script|<image|href/i);
    }
  });

  it('is activated only by use', () => {
    expect(manifest.activationEvents).toEqual(['onWebviewPanel:lmTransparency.routes', 'onUri']);
    expect(read('src/panel/panels.ts')).toContain("'lmTransparency.routes'");
  });

  it('describes every setting', () => {
    for (const [name, setting] of Object.entries(configuration.properties)) {
      expect(name).toMatch(/^lmTransparency\./);
      expect(setting.markdownDescription, name).toBeTruthy();
      expect(setting.default, name).toBeDefined();
    }
  });

  it('keeps what runs or is loaded out of the hands of an untrusted workspace', () => {
    const { supported, restrictedConfigurations } = manifest.capabilities.untrustedWorkspaces;
    expect(supported).toBe('limited');
    for (const name of restrictedConfigurations) expect(Object.keys(configuration.properties)).toContain(name);
    for (const [name, { scope }] of Object.entries(configuration.properties)) {
      if (scope.startsWith('machine')) expect(restrictedConfigurations).toContain(name);
    }
    for (const name of [
      'backend.python',
      'backend.pipArguments',
      'models.trustRemoteCode',
      'remote.hosts',
      'remote.sshPath',
      'remote.sshConfigFile',
    ]) {
      expect(configuration.properties[`lmTransparency.${name}`]?.scope).toBe('machine');
    }
  });

  it('runs where the workspace is, on the API it is checked against', () => {
    expect(manifest.extensionKind).toEqual(['workspace']);
    expect(manifest.engines.vscode).toBe(`^${manifest.devDependencies['@types/vscode']}`);
  });
});
