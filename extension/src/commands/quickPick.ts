import type * as vscode from 'vscode';

/**
 * Shows a quick pick and resolves with what was chosen; undefined when it was left. It is gone afterwards. Enter where
 * nothing can be chosen leaves it open, with what was typed.
 */
export function picked<T extends vscode.QuickPickItem>(quickPick: vscode.QuickPick<T>): Promise<T | undefined> {
  return new Promise((resolve) => {
    quickPick.onDidAccept(() => {
      const [item] = quickPick.selectedItems;
      if (!item) return;
      resolve(item);
      quickPick.hide();
    });
    quickPick.onDidHide(() => {
      resolve(undefined);
      quickPick.dispose();
    });
    quickPick.show();
  });
}

/** Has Enter take these, unless something was typed: what is typed may hide them, and Enter would find nothing. */
export function pointAt<T extends vscode.QuickPickItem>(quickPick: vscode.QuickPick<T>, items: readonly T[]): void {
  if (quickPick.value === '') quickPick.activeItems = items;
}

/** Text from elsewhere as part of a label, where `$(…)` would be an icon. */
export function plainLabel(text: string): string {
  return text.replaceAll('$(', '$\u200b(');
}

/** `$(check)` before the one that is set now. */
export function checked(isChosen: boolean, label: string): string {
  return `${isChosen ? '$(check) ' : ''}${plainLabel(label)}`;
}

/** A size on disk or in memory; empty where it is not known. */
export function sizeText(bytes: number): string {
  if (!(bytes > 0)) return '';
  return bytes < 1e9 ? `${Math.max(1, Math.round(bytes / 1e6))} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
