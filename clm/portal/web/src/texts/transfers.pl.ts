import type { Polish } from "./pl.ts";
import type { transfers as english } from "./transfers.en.ts";

export const transfers: Polish<typeof english> = {
  "transfers.help": "Maszyny, obrazy i szablony maszyn, które ktoś Ci oferuje, stają się Twoje, gdy je przyjmiesz, razem z tym, co zajmują w limicie. Przedtem nic się nie zmienia.",
  "transfers.none": "Nie ma ofert",
  "transfers.noneHelp": "Aby coś oddać, wybierz „Oddaj” tam, gdzie jest to pokazane; oferty innych też są tutaj.",
  "transfers.from": "Od",
  "transfers.to": "Dla",
  "transfers.text": "Dopisek",
  "transfers.accept": "Przyjmij",
  "transfers.acceptAsk": "Przyjąć {name}?",
  "transfers.acceptHelp": "Będzie Twoje razem z dyskami i liczy się w Twoim limicie. Hasła i klucze wewnątrz maszyny pozostają: zmień je potem.",
  "transfers.decline": "Odrzuć",
  "transfers.withdraw": "Wycofaj",
  "transferKind.vm": "maszyna",
  "transferKind.image": "obraz",
  "transferKind.vm_template": "szablon maszyny",
  "transferState.offered": "zaoferowane",
  "transferState.accepted": "przyjęte",
  "transferState.declined": "odrzucone",
  "transferState.withdrawn": "wycofane",
  "transferState.expired": "wygasło",
  "transferState.void": "nie ma już",
};
