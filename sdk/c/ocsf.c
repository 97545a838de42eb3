#include "cairnlog.h"

const cl_class CL_ACCOUNT_CHANGE = {3001, 12, (const char *const[]){
    "Create", "Enable", "Password Change", "Password Reset", "Disable", "Delete", "Attach Policy", "Detach Policy",
    "Lock", "MFA Factor Enable", "MFA Factor Disable", "Unlock",
}};

const cl_class CL_AUTHENTICATION = {3002, 7, (const char *const[]){
    "Logon", "Logoff", "Authentication Ticket", "Service Ticket Request", "Service Ticket Renew", "Preauth",
    "Account Switch",
}};

const cl_class CL_AUTHORIZE_SESSION = {3003, 2, (const char *const[]){
    "Assign Privileges", "Assign Groups",
}};

const cl_class CL_ENTITY_MANAGEMENT = {3004, 13, (const char *const[]){
    "Create", "Read", "Update", "Delete", "Move", "Enroll", "Unenroll", "Enable", "Disable", "Activate",
    "Deactivate", "Suspend", "Resume",
}};

const cl_class CL_USER_ACCESS = {3005, 2, (const char *const[]){
    "Assign Privileges", "Revoke Privileges",
}};

const cl_class CL_GROUP_MANAGEMENT = {3006, 8, (const char *const[]){
    "Assign Privileges", "Revoke Privileges", "Add User", "Remove User", "Delete", "Create", "Add Subgroup",
    "Remove Subgroup",
}};

const cl_class CL_WEB_RESOURCES_ACTIVITY = {6001, 8, (const char *const[]){
    "Create", "Read", "Update", "Delete", "Search", "Import", "Export", "Share",
}};

const cl_class CL_API_ACTIVITY = {6003, 4, (const char *const[]){
    "Create", "Read", "Update", "Delete",
}};

const cl_class CL_DATASTORE_ACTIVITY = {6005, 10, (const char *const[]){
    "Read", "Update", "Connect", "Query", "Write", "Create", "Delete", "List", "Encrypt", "Decrypt",
}};

const cl_class CL_FILE_HOSTING = {6006, 17, (const char *const[]){
    "Upload", "Download", "Update", "Delete", "Rename", "Copy", "Move", "Restore", "Preview", "Lock", "Unlock",
    "Share", "Unshare", "Open", "Sync", "Unsync", "Access Check",
}};
