#include "attach/recover.h"

#include "image_file.h"
#include "journal.h"

int bf_recover(struct bf_work_folder *folder, struct bf_error *err)
{
    struct bf_image_file image;
    int r;

    if (!folder->interrupted)
        return 0;
    r = bf_image_file_open(folder->image_path, &image, err);
    if (r < 0)
        return r;
    r = bf_journal_replay(folder, image.fd, err);
    (void)close(image.fd);
    /* nothing is gained by looking at a journal again that no longer fits the image */
    if (r == 0 || r == -bf_code_errno(BF_E_IMAGE_CHANGED))
        (void)bf_work_folder_unmark(folder, NULL);
    return r;
}
