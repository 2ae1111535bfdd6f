import { Modal, ModalBody, ModalHeader } from "@patternfly/react-core/dist/esm/components/Modal/index.js";
import type { ReactNode } from "react";

/** Something that is asked or told in front of the page. */
export function Dialog(props: { title: string; close: () => void; children: ReactNode }): ReactNode {
  return (
    <Modal isOpen variant="medium" onClose={props.close} aria-labelledby="dialog-title" aria-describedby="dialog-body">
      <ModalHeader title={props.title} labelId="dialog-title" />
      <ModalBody id="dialog-body" tabIndex={0}>{props.children}</ModalBody>
    </Modal>
  );
}
