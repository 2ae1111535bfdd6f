// Texts of pages that whoever logs in need not wait for.
import { consoleEn } from "../console/texts.en.ts";
import { consolePl } from "../console/texts.pl.ts";
import { pages as pagesEn } from "./pages.en.ts";
import { pages as pagesPl } from "./pages.pl.ts";
import { people as peopleEn } from "./people.en.ts";
import { people as peoplePl } from "./people.pl.ts";
import { extend } from "./translate.ts";
import { words as wordsEn } from "./words.en.ts";
import { words as wordsPl } from "./words.pl.ts";

extend({
  en: { ...pagesEn, ...peopleEn, ...wordsEn, ...consoleEn },
  pl: { ...pagesPl, ...peoplePl, ...wordsPl, ...consolePl },
});
