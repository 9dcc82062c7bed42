# bitferry doctor: qemu.sh has the checks one by one, the others what they are made at; the timeline.
bf_integration_test(doctor/qemu)
bf_integration_test(doctor/states)
bf_integration_test(doctor/rest)
bf_integration_test(doctor/timeline)
if(TARGET bf_libvirt)
  bf_integration_test(doctor/libvirt)
  bf_integration_test(doctor/domain UNSANITIZED) # test/hosts: needs root
endif()
