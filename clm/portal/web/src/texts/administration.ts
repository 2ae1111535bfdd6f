// Texts of administrators' pages, for which nobody else waits.
import { admin as adminEn } from "./admin.en.ts";
import { admin as adminPl } from "./admin.pl.ts";
import { hosts as hostsEn } from "./hosts.en.ts";
import { hosts as hostsPl } from "./hosts.pl.ts";
import "./farmed.ts";
import "./scheduled.ts";
import "./templated.ts";
import { extend } from "./translate.ts";

extend({ en: { ...adminEn, ...hostsEn }, pl: { ...adminPl, ...hostsPl } });
