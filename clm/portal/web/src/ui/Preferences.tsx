import { FormSelect, FormSelectOption } from "@patternfly/react-core/dist/esm/components/FormSelect/index.js";
import type { ReactNode } from "react";
import { LANGUAGES, type Key, type Language } from "../texts/translate.ts";
import { setLanguage, setTheme, THEMES, useTexts, useTheme, type Theme } from "./settings.ts";

export function Preferences(): ReactNode {
  const { t, language } = useTexts();
  const theme = useTheme();
  return (
    <>
      <FormSelect aria-label={t("app.language")} value={language}
        onChange={(_event, value) => setLanguage(value as Language)}>
        {Object.entries(LANGUAGES).map(([value, label]) => <FormSelectOption key={value} value={value} label={label} />)}
      </FormSelect>
      <FormSelect aria-label={t("app.theme")} value={theme}
        onChange={(_event, value) => setTheme(value as Theme)}>
        {THEMES.map((value) => <FormSelectOption key={value} value={value} label={t(`app.theme.${value}` as Key)} />)}
      </FormSelect>
    </>
  );
}
