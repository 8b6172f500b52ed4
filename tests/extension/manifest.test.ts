import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { HEAT_STEPS } from '../../extension/src/editor/heat';
import { CHAT_LANGUAGE, PROMPT_LANGUAGE, PROMPT_LINES_LANGUAGE } from '../../extension/src/prompts/choose';

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
    keybindings: { command: string; when: string }[];
    menus: Record<string, { command: string; when?: string }[]>;
    languages: { id: string }[];
    colors: { id: string; defaults: Record<string, string> }[];
    configuration: {
      properties: Record<string, { scope: string; markdownDescription?: string; default: unknown; enum?: string[] }>;
    };
  };
}
const manifest = JSON.parse(read('package.json')) as Manifest;
const { colors, commands, configuration, keybindings, languages, menus } = manifest.contributes;

describe('the manifest', () => {
  it('has the commands under one category, all of them wired', () => {
    expect(commands.map(({ title }) => title)).toEqual([
      'Analyze Prompt', 'Choose Prompt…', 'Cancel Analysis', 'Toggle Heat', 'Export Graph…', 'Select Model…', 'Select Device…',
      'Select Precision…', 'Set Up Backend', 'Restart Backend', 'Unload Model', 'Connect to Remote Backend…',
      'Set Up Remote Backend', 'Disconnect', 'Use Local Backend', 'Show Log',
    ]); // prettier-ignore
    const wiring = read('src/extension.ts');
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
    for (const [, id] of read('src/editor/marker.ts').matchAll(/ThemeColor\('(lmTransparency\.\w+)'\)/g))
      expect(known).toContain(id);
  });

  it('has the languages that prompts are looked for in', () => {
    expect(languages.map(({ id }) => id)).toEqual([PROMPT_LANGUAGE, PROMPT_LINES_LANGUAGE, CHAT_LANGUAGE]);
  });

  it('packs all that the extension reads', () => {
    const packed = read('.vscodeignore').split('\n');
    for (const entry of ['!dist/webview/page.html', '!dist/docs/*.md', '!dist/docs/images/*'])
      expect(packed).toContain(entry);
  });

  it('is activated only by use', () => {
    expect(manifest.activationEvents).toEqual(['onWebviewPanel:lmTransparency.routes']);
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
